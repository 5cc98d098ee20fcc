"""Judges an alert in one of the formats, by parsers that are not the product's.

check_record.py FORMAT RECORD REFERENCE

RECORD holds what the product wrote, REFERENCE the same alert as daemoneye.alert/1. Prints what is wrong and ends with 1.
The constraints are those of the published specifications: ArcSight CEF (implementation guide, version 25), Elastic
Common Schema 8.11, OCSF 1.4.0 (class 2004), STIX 2.1.
"""

import json
import re
import sys
import uuid

try:
    import jsonschema
except ImportError:
    sys.exit("python3-jsonschema is missing: apt-get install python3-jsonschema")

TEXT = {"type": "string"}
WORD = {"type": "string", "minLength": 1}
WHOLE = {"type": "integer", "minimum": 0}
TIME_MS = {"type": "integer", "minimum": 0, "maximum": 253402300799999}
TIME = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"}
TEXTS = {"type": "array", "items": TEXT}
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def need(truth, what):
    if not truth:
        sys.exit(what)


def members(required, optional=None, **more):
    """An object with these members and no other."""
    properties = dict(required, **(optional or {}))
    return dict({"type": "object", "properties": properties, "required": list(required),
                 "additionalProperties": False}, **more)


def validate(record, schema):
    try:
        jsonschema.Draft7Validator(schema).validate(record)
    except jsonschema.ValidationError as wrong:
        sys.exit("%s: %s" % ("/".join(str(step) for step in wrong.absolute_path), wrong.message))


def visible(text, kept=""):
    """Control characters as the product shows them where a format has nothing for them."""
    out = ""
    for c in text:
        hidden = (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0) and c not in kept
        out += "".join("\\x%02x" % byte for byte in c.encode()) if hidden else c
    return out


# CEF ------------------------------------------------------------------------------------------------------------------

CEF_KEYS = {"rt", "start", "end", "cnt", "externalId", "dvchost", "cat", "msg", "sproc", "spid", "suser", "suid",
            "filePath", "fname", "fileHash", "cn1", "cn1Label"}
CEF_KEYS |= {"cs%d%s" % (number, label) for number in range(1, 7) for label in ("", "Label")}


def unescape(text, meanings):
    def meaning(match):
        need(match.group(1) in meanings, "no escape of CEF: " + repr(match.group(0)))
        return meanings[match.group(1)]
    return re.sub(r"\\(.?)", meaning, text, flags=re.S)


def read_cef(line):
    match = re.match(r"^CEF:0((?:\|(?:[^|\\]|\\[|\\])*){6})\|(.*)$", line)
    need(match, "no header of CEF: " + line)
    header = []
    field = ""
    escaped = False
    for c in match.group(1)[1:]:
        if c == "|" and not escaped:
            header.append(unescape(field, {"|": "|", "\\": "\\"}))
            field = ""
            continue
        field += c
        escaped = c == "\\" and not escaped
    header.append(unescape(field, {"|": "|", "\\": "\\"}))
    text = match.group(2)
    starts = [m for m in re.finditer(r"(?:^| )([A-Za-z0-9_]+)=", text)]
    need(starts and starts[0].start() == 0, "the extension does not begin with a key: " + text[:40])
    fields = {}
    for at, start in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(text)
        value = text[start.end():end]
        need(re.match(r"^(?:[^=\\]|\\[=\\nr])*$", value), "not escaped: " + value)
        need(start.group(1) not in fields, "twice: " + start.group(1))
        fields[start.group(1)] = unescape(value, {"=": "=", "\\": "\\", "n": "\n", "r": "\r"})
    return header, fields


def check_cef(line, alert):
    header, fields = read_cef(line)
    need(len(header) == 6, "seven fields are to be in a header: " + repr(header))
    vendor, product, version, rule, name, severity = header
    need((vendor, product) == ("DaemonEye", "DaemonEye") and version, "who wrote it: " + repr(header))
    need(rule == visible(alert["rule_id"]), "rule: " + rule)
    need(name == visible(alert["title"]), "name: " + name)
    need(severity == "Unknown" or 0 <= int(severity) <= 10, "severity: " + severity)
    need(set(fields) <= CEF_KEYS, "keys that CEF does not have: " + repr(set(fields) - CEF_KEYS))
    for key in list(fields):
        if key.endswith("Label"):
            need(key[:-5] in fields, "a label of nothing: " + key)
        elif re.match(r"c[sn][0-9]$", key):
            need(key + "Label" in fields, "no label: " + key)
    need(int(fields["rt"]) >= 0 and int(fields["cn1"]) == alert["sequence"], "numbers")
    need(fields.get("externalId", "") == alert["id"], "externalId")
    need(fields.get("msg", "") == visible(alert["description"], "\n\r"), "msg: " + repr(fields.get("msg")))
    if "pid" in alert["data"]:
        need(fields["cs1"] == visible(alert["data"]["command_line"], "\n\r"), "cs1: " + repr(fields["cs1"]))
        need(fields["spid"] == str(alert["data"]["pid"]), "spid")


# Elastic Common Schema ------------------------------------------------------------------------------------------------

ECS_PARENT = members({"pid": WHOLE}, {"entity_id": WORD, "name": WORD, "executable": WORD})
ECS = members({
    "@timestamp": TIME,
    "ecs": members({"version": {"const": "8.11.0"}}),
    "message": TEXT,
    "tags": TEXTS,
    "event": members({
        "kind": {"const": "alert"},
        "category": {"type": "array", "items": {"const": "process"}},
        "type": {"type": "array", "items": {"enum": ["access", "change", "end", "info", "start"]}},
        "module": WORD, "dataset": {"const": "daemoneye.alert"}, "sequence": WHOLE, "severity": WHOLE, "created": TIME,
    }, {"action": WORD, "id": WORD, "start": TIME, "end": TIME, "reason": WORD}),
    "rule": members({"id": TEXT, "name": TEXT, "version": WORD},
                    {"category": WORD, "author": TEXTS, "license": WORD, "reference": WORD}),
    "agent": members({"type": WORD, "version": WORD}),
    "related": members({}, {"hosts": TEXTS, "user": TEXTS, "hash": TEXTS}),
    "daemoneye": members({
        "severity": WORD, "state": WORD, "count": WHOLE, "process_count": WHOLE, "completeness": WORD,
        "data": {"type": "array", "items": members({"column": TEXT, "value": {"type": ["string", "null"]}})},
    }, {"dedupe_key": WORD, "correlation_id": WORD, "rule_digest": WORD, "ancestry": WORD}),
}, {
    "host": members({"name": WORD, "hostname": WORD}),
    "process": members({}, {
        "pid": WHOLE, "entity_id": WORD, "name": WORD, "executable": WORD, "command_line": WORD,
        "working_directory": WORD, "start": TIME, "hash": members({"sha256": SHA256}), "parent": ECS_PARENT}),
    "user": members({}, {"id": WORD, "name": WORD}),
    "container": members({"id": WORD}, {"runtime": WORD}),
})


def check_ecs(line, alert):
    record = json.loads(line)
    validate(record, ECS)
    need(record["message"] == alert["title"] and record["event"].get("reason", "") == alert["description"], "texts")
    need(record["tags"] == alert["tags"] and record["rule"]["id"] == alert["rule_id"], "tags or rule")
    values = {field["column"]: field["value"] for field in reversed(record["daemoneye"]["data"])}
    for column, value in alert["data"].items():
        if isinstance(value, str) and not column.endswith("_2"):
            need(values[column] == value, "data." + column + ": " + repr(values[column]))
    if "pid" in alert["data"]:
        need(record["process"]["pid"] == alert["data"]["pid"], "process.pid")
        need(record["process"]["command_line"] == alert["data"]["command_line"], "process.command_line")


# OCSF -----------------------------------------------------------------------------------------------------------------

PID = {"type": "integer", "minimum": 0, "maximum": 2147483647}
OCSF_FILE = members({"name": WORD, "type_id": {"enum": [0, 1, 2, 3, 4, 5, 6, 7, 99]}}, {
    "path": WORD,
    "fingerprints": {"type": "array", "minItems": 1, "items": members(
        {"algorithm_id": {"const": 3}, "value": SHA256}, {"algorithm": {"const": "SHA-256"}})}})
PID_OR_UID = [{"required": ["pid"]}, {"required": ["uid"]}]
OCSF_ENTITY = {"pid": PID, "uid": WORD, "name": WORD, "cmd_line": WORD, "created_time": TIME_MS}
OCSF_PROCESS = dict(OCSF_ENTITY, **{
    "file": OCSF_FILE, "working_directory": WORD,
    "user": members({}, {"uid": WORD, "name": WORD}, minProperties=1),
    "container": members({"uid": WORD}, {"runtime": WORD})})
OCSF_PARENT = members({}, dict(OCSF_ENTITY, file=OCSF_FILE), anyOf=PID_OR_UID)
OCSF_PROCESS["parent_process"] = OCSF_PARENT
OCSF_PROCESS["ancestry"] = {"type": "array", "items": members({}, dict(OCSF_ENTITY, path=WORD), anyOf=PID_OR_UID)}
OCSF = members({
    "class_uid": {"const": 2004}, "category_uid": {"const": 2}, "activity_id": {"const": 1},
    "type_uid": {"const": 200401}, "time": TIME_MS, "severity_id": {"enum": [0, 1, 2, 3, 4, 5, 6, 99]},
    "metadata": members({
        "version": {"const": "1.4.0"},
        "product": members({"name": WORD}, {"vendor_name": WORD, "version": WORD}),
    }, {"profiles": {"type": "array", "items": {"enum": ["host", "container"]}}, "uid": WORD, "correlation_uid": WORD,
        "sequence": WHOLE, "labels": TEXTS}),
    "finding_info": members({"uid": TEXT}, {
        "title": TEXT, "desc": WORD, "types": TEXTS, "created_time": TIME_MS, "first_seen_time": TIME_MS,
        "last_seen_time": TIME_MS,
        "analytic": members({"type_id": {"const": 1}}, {"uid": TEXT, "name": TEXT, "type": {"const": "Rule"},
                                                        "version": WORD})}),
}, {
    "class_name": {"const": "Detection Finding"}, "category_name": {"const": "Findings"},
    "activity_name": {"const": "Create"}, "type_name": {"const": "Detection Finding: Create"},
    "severity": {"enum": ["Unknown", "Low", "Medium", "High", "Critical"]}, "message": TEXT,
    "status_id": {"enum": [1, 2, 4]}, "status": {"enum": ["New", "In Progress", "Resolved"]},
    "is_alert": {"const": True}, "count": {"type": "integer", "minimum": 1},
    "device": members({"type_id": {"const": 0}, "hostname": WORD}),
    "evidences": {"type": "array", "minItems": 1, "items": members({"process": members({}, OCSF_PROCESS,
                                                                                       anyOf=PID_OR_UID)})},
    "unmapped": {"type": "object"},
})


def check_ocsf(line, alert):
    record = json.loads(line)
    validate(record, OCSF)
    captions = {"Unknown": 0, "Low": 2, "Medium": 3, "High": 4, "Critical": 5}
    need(captions[record["severity"]] == record["severity_id"], "severity is not what severity_id says")
    need(record["message"] == alert["title"] and record["finding_info"].get("desc", "") == alert["description"], "texts")
    need(record["unmapped"]["data"] == alert["data"], "unmapped.data")
    if "pid" in alert["data"]:
        process = record["evidences"][0]["process"]
        need(process["pid"] == alert["data"]["pid"], "pid")
        need(process["cmd_line"] == alert["data"]["command_line"], "cmd_line")
        need(("container" in process) == ("container" in record["metadata"]["profiles"]), "profile of the container")


# STIX -----------------------------------------------------------------------------------------------------------------

OBSERVABLE_NAMES = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
CONTRIBUTING = {"file": ["hashes", "name", "parent_directory_ref"], "directory": ["path"],
                "user-account": ["account_login", "account_type", "user_id"], "process": []}


def reference(*types):
    return {"type": "string", "pattern": "^(%s)--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$" %
            "|".join(types)}


def stix(kind, required, optional=None, domain=False, **more):
    base = {"type": {"const": kind}, "spec_version": {"const": "2.1"}, "id": reference(kind)}
    if domain:
        base.update({"created": TIME, "modified": TIME})
        optional = dict(optional or {}, created_by_ref=reference("identity"), description=WORD,
                        labels=dict(TEXTS, minItems=1))
    return members(dict(base, **required), optional, patternProperties={"^x_[a-z0-9_]{1,248}$": TEXT}, **more)


SEEN = reference("process", "file", "directory", "user-account")
MANY = {"type": "integer", "maximum": 999999999}
STIX = {
    "identity": stix("identity", {"name": WORD, "identity_class": {"const": "system"}}, domain=True),
    "indicator": stix("indicator", {"pattern": WORD, "pattern_type": WORD, "valid_from": TIME}, {
        "name": WORD, "pattern_version": WORD, "indicator_types": {"type": "array", "minItems": 1, "items": {"enum": [
            "anomalous-activity", "anonymization", "benign", "compromised", "malicious-activity", "attribution",
            "unknown"]}}}, domain=True),
    "observed-data": stix("observed-data", {
        "first_observed": TIME, "last_observed": TIME, "number_observed": dict(MANY, minimum=1),
        "object_refs": {"type": "array", "minItems": 1, "uniqueItems": True, "items": SEEN}}, domain=True),
    "sighting": stix("sighting", {"sighting_of_ref": reference("indicator")}, {
        "first_seen": TIME, "last_seen": TIME, "count": dict(MANY, minimum=0),
        "observed_data_refs": {"type": "array", "minItems": 1, "items": reference("observed-data")},
        "where_sighted_refs": {"type": "array", "minItems": 1, "items": reference("identity")},
        "external_references": {"type": "array", "minItems": 1,
                                "items": members({"source_name": WORD, "external_id": WORD})}}, domain=True),
    "process": stix("process", {}, {
        "pid": {"type": "integer"}, "created_time": TIME, "cwd": WORD, "command_line": TEXT,
        "creator_user_ref": reference("user-account"), "image_ref": reference("file"),
        "parent_ref": reference("process")}, minProperties=4),
    "file": stix("file", {}, {"name": WORD, "hashes": members({"SHA-256": SHA256}),
                              "parent_directory_ref": reference("directory")},
                 anyOf=[{"required": ["name"]}, {"required": ["hashes"]}]),
    "directory": stix("directory", {"path": WORD}),
    "user-account": stix("user-account", {}, {"user_id": WORD, "account_login": WORD, "account_type": {"const": "unix"}},
                         minProperties=4),
}


def canonical(value):
    """RFC 8785, for objects of texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def check_ids(thing):
    contributing = CONTRIBUTING.get(thing["type"])
    if contributing:
        given = {name: thing[name] for name in contributing if name in thing}
        right = thing["type"] + "--" + str(uuid.uuid5(OBSERVABLE_NAMES, canonical(given)))
        need(thing["id"] == right, "the id of %s is not that of its properties, %s" % (thing["id"], right))
    for first, last in (("created", "modified"), ("first_seen", "last_seen"), ("first_observed", "last_observed")):
        need(thing.get(first, "") <= thing.get(last, thing.get(first, "")), last + " is before " + first)


def check_stix(line, alert):
    bundle = json.loads(line)
    validate(bundle, members({"type": {"const": "bundle"}, "id": reference("bundle"),
                              "objects": {"type": "array", "minItems": 1}}))
    things = {}
    for thing in bundle["objects"]:
        need(thing["type"] in STIX, "a type that is not expected: " + thing["type"])
        validate(thing, STIX[thing["type"]])
        check_ids(thing)
        need(thing["id"] not in things, "twice: " + thing["id"])
        things[thing["id"]] = thing
    need(len({name.split("--")[1] for name in things}) == len(things), "objects of different types share a UUID")
    for thing in things.values():
        for name, value in thing.items():
            for target in [value] if name.endswith("_ref") else value if name.endswith("_refs") else []:
                need(target in things, thing["id"] + " refers to what is not there: " + target)
    sighting = [thing for thing in things.values() if thing["type"] == "sighting"][0]
    need(sighting["x_daemoneye_title"] == alert["title"], "title")
    need(json.loads(sighting["x_daemoneye_data"]) == alert["data"], "data")
    if "pid" in alert["data"]:
        observed = things[sighting["observed_data_refs"][0]]
        lines = [things[ref].get("command_line") for ref in observed["object_refs"]]
        need(alert["data"]["command_line"] in lines, "command_line")


# ----------------------------------------------------------------------------------------------------------------------

def main():
    name, record_path, reference_path = sys.argv[1:]
    with open(record_path, "rb") as file:
        record = file.read()
    with open(reference_path, "rb") as file:
        alert = json.loads(file.read())
    text = record.decode()  # Not UTF-8: an exception, which is a refusal.
    need(text.endswith("\n") and text.count("\n") == 1, "is not one line")
    for c in text[:-1]:
        need(not (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0), "a control character: " + repr(c))
    {"cef": check_cef, "ecs": check_ecs, "ocsf": check_ocsf, "stix": check_stix}[name](text[:-1], alert)


main()
