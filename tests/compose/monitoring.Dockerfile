# Prometheus and the exporters of Debian and PyPI, by the names and in the places that the published images have.
# Debian's exporter of PgBouncer cannot read PgBouncer 1.8 and newer; this one has the metrics of the published one that
# the dashboards and alerts use, by the same names.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN python3 -m venv --system-site-packages /opt/pgbouncer-exporter \
    && /opt/pgbouncer-exporter/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps \
        prometheus-pgbouncer-exporter==2.1.2 \
    && ln -s prometheus-postgres-exporter /usr/bin/postgres_exporter \
    && ln -s /usr/bin/prometheus-redis-exporter /redis_exporter \
    && install --directory --owner=65534 --group=65534 /prometheus
COPY tests/compose/pgbouncer_exporter.sh /usr/bin/pgbouncer_exporter
USER 65534:65534
