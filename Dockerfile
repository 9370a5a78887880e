# The service; with --target load Locust with its scenarios, with --target tools the `hotrow` command. Another base needs Python 3.11 or newer with venv.
ARG BASE_IMAGE=python:3.13.9-slim-trixie

FROM ${BASE_IMAGE} AS build
ARG PIP_OPTIONS=
WORKDIR /build
COPY requirements-service.lock requirements-load.lock requirements-tools.lock images/sbom.awk ./
SHELL ["/bin/sh", "-eu", "-c"]
# Wheels alone: there is no compiler, and no code of a package runs.
RUN for name in service load tools; do \
        python3 -m venv "/opt/$name"; \
        "/opt/$name/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --quiet --require-hashes \
            --only-binary :all: --requirement "requirements-$name.lock" ${PIP_OPTIONS}; \
        dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\n' > packages.txt; \
        "/opt/$name/bin/python" -m pip list --format freeze --exclude pip >> packages.txt; \
        awk -v "image=hotrow-$name" -f sbom.awk packages.txt > "/opt/$name/sbom.json"; \
        "/opt/$name/bin/python" -m pip uninstall --quiet --yes pip; \
        "/opt/$name/bin/python" -m compileall -q "/opt/$name/lib"; \
    done

FROM ${BASE_IMAGE} AS base
RUN groupadd --gid 10001 hotrow \
    && useradd --uid 10001 --gid hotrow --no-create-home --home-dir /app hotrow \
    # Where the tools meet PgBouncer's file; a volume takes its rights from whichever image is there first.
    && install --directory --mode=0777 /var/lib/hotrow
WORKDIR /app
ENV PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001

FROM base AS load
COPY --from=build /opt/load /opt/load
COPY tuning/__init__.py tuning/__init__.py
COPY tuning/load tuning/load
ENV PATH=/opt/load/bin:${PATH}
ENTRYPOINT ["locust", "--locustfile", "tuning/load/locustfile.py"]
CMD ["--help"]

FROM base AS tools
COPY --from=build /opt/tools /opt/tools
COPY tuning tuning
COPY sql sql
COPY pgbouncer pgbouncer
COPY postgres postgres
ENV PATH=/opt/tools/bin:${PATH}
ENTRYPOINT ["python", "-m", "tuning.cli.main"]
CMD ["--help"]

FROM base AS service
COPY --from=build /opt/service /opt/service
COPY service service
COPY sql sql
ENV PATH=/opt/service/bin:${PATH}
EXPOSE 8000
CMD ["gunicorn", "-c", "python:service.config.gunicorn", "service.config.wsgi"]
