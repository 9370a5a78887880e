# A bill of materials, CycloneDX 1.6, of what an image holds. One package a line: NAME==VERSION is Python's, as of `pip list
# --format freeze`; NAME VERSION ARCHITECTURE is Debian's, as of dpkg-query.
#
#   awk -v image=hotrow-service -f sbom.awk packages.txt
#
# A line that is neither ends it with status 1.

function quoted(text) {
    gsub(/[\\"]/, "\\\\&", text)
    return "\"" text "\""
}

# What stands for itself in a package URL; % first, since the others bring one.
function escaped(text) {
    gsub(/%/, "%25", text)
    gsub(/\+/, "%2B", text)
    gsub(/:/, "%3A", text)
    return text
}

function component(name, version, url) {
    printf "%s\n{\"type\": \"library\", \"bom-ref\": %s, \"name\": %s, \"version\": %s, \"purl\": %s}",
        count++ ? "," : "", quoted(url), quoted(name), quoted(version), quoted(url)
}

BEGIN {
    print "{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.6\", \"version\": 1,"
    printf "\"metadata\": {\"component\": {\"type\": \"container\", \"name\": %s}},\n\"components\": [", quoted(image)
}

NF == 1 && split($0, part, "==") == 2 {
    name = tolower(part[1])
    gsub(/[_.]+/, "-", name)
    component(part[1], part[2], "pkg:pypi/" name "@" escaped(part[2]))
    next
}

NF == 3 {
    component($1, $2, "pkg:deb/debian/" escaped($1) "@" escaped($2) "?arch=" $3)
    next
}

{
    print "sbom.awk: line " NR " is no package: " $0 > "/dev/stderr"
    failed = 1
    exit 1
}

END {
    if (!failed) print "\n]}"
}
