# Render pgbouncer.ini.template as tuning/stack/pgbouncer.py does, byte for byte.
#
#   RELEASE=1.25.2 awk -f render.awk pgbouncer.ini.template
#
# The values are environment variables; one that is not set ends it with status 1 and a line that names it.

# Whether the version is at least the other: compared part by part, and of two equal ones the longer is the newer.
function reaches(version, other,    have, want, count, wanted, part) {
    count = split(version, have, ".")
    wanted = split(other, want, ".")
    for (part = 1; part <= wanted; part++) {
        if (part > count || have[part] + 0 < want[part] + 0) return 0
        if (have[part] + 0 > want[part] + 0) return 1
    }
    return 1
}

function fail(message) {
    print "pgbouncer.ini.template: " message > "/dev/stderr"
    failed = 1
    exit 1
}

function filled(line,    text, at, end, name) {
    text = ""
    while ((at = index(line, "$")) > 0) {
        text = text substr(line, 1, at - 1)
        line = substr(line, at + 1)
        if (substr(line, 1, 1) == "$") {
            text = text "$"
            line = substr(line, 2)
            continue
        }
        end = index(line, "}")
        name = substr(line, 2, end - 2)
        if (substr(line, 1, 1) != "{" || name !~ /^[A-Z_]+$/) fail("line " FNR " has a $ that begins neither ${NAME} nor $$")
        if (!(name in ENVIRON)) fail("the value " name " is not set")
        text = text ENVIRON[name]
        line = substr(line, end + 1)
    }
    return text line
}

/^@/ {
    if (!reaches(ENVIRON["RELEASE"], substr($1, 2))) next
    if (!sub(/^@[^ ]* /, "")) $0 = ""
}

!/^;/ { print filled($0) }
