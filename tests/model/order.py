"""The order of the API's checks: a request with two faults is told of the one that comes first."""

import itertools
import re

import api
import raw
import regions

# In the API's order: a name, what it changes of a request, and the error that it gets.
FAULTS = [
    ("method", {"method": "PUT"}, (403, "AccessDeniedException")),
    ("content type", {"content_type": "text/plain"}, (404, "UnknownOperationException")),
    ("body", {"cut": True}, (400, "SerializationException")),
    ("operation", {"operation": "MakeCoffee"}, (400, "UnknownOperationException")),
    ("signature", {"secret_key": "another"}, (400, "InvalidSignatureException")),
    ("type", {"ExclusiveStartShardId": 7}, (400, "SerializationException")),
    ("constraint", {"Limit": 0}, (400, "ValidationException")),
    ("policy", {"StreamName": "denied"}, (400, "AccessDeniedException")),
    ("resource", {"StreamName": "missing"}, (400, "ResourceNotFoundException")),
]
OF_MEMBERS = ("type", "constraint", "policy", "resource")
MESSAGES = {"body": "^(?!class )", "type": "^class .* can not be converted to an String$"}


def request(content_type, *faults):
    """raw.call()'s arguments."""
    members = {"StreamName": "s"}
    arguments = {"operation": "DescribeStream", "content_type": content_type}
    for name, change, _ in faults:
        (members if name in OF_MEMBERS else arguments).update(change)
    body = api.encode(members, content_type)
    if arguments.pop("cut", False):
        body = body[:-1]
    return arguments | {"body": body}


def check(port):
    """What is out of order."""
    regions.make_denied(api.Api(port), "denied")
    for content_type, (first, second) in itertools.product(
            api.FORMATS[:2], itertools.combinations(FAULTS, 2)):
        if first[1].keys() == second[1].keys():
            continue  # a stream that is denied isn't missing
        answers, rest = raw.parse(raw.exchange(
            port, raw.call(port=port, **request(content_type, first, second))))
        assert len(answers) == 1 and not rest, answers
        name, _, (status, error) = first
        what = f"{name} before {second[0]}, in {content_type}"
        kind = answers[0].headers["content-type"]
        if kind == "text/xml":
            found, message = re.match(r"<(\w+)>\n  <Message>(.*)</Message>", answers[0].body.decode()
                                      ).groups()
        else:
            answer = api.Answer(answers[0].status, answers[0].headers, answers[0].body, content_type)
            found, message = answer.error, answer.message
        if (answers[0].status, found) != (status, error) or not re.search(MESSAGES.get(name, ""), message):
            yield f"{what}: {answers[0]}"
