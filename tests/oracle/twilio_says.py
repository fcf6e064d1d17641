"""Answers questions about signatures and documents with Twilio's own library: a JSON object a line in, one a line out."""

import json
import sys
from xml.etree.ElementTree import canonicalize

from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Connect, Dial, VoiceResponse


class Form(dict):
    """Names with all their values, as web frameworks have them."""

    def getall(self, name):
        return self[name]


def signature(question):
    """What the library signs, and what it thinks of a signature of ours."""
    validator = RequestValidator(question["token"])
    body = question.get("body")
    form = Form(question["form"]) if body is None else body
    signed = validator.compute_signature(question["url"], form if body is None else {})
    return {
        "signature": signed,
        "accepts": validator.validate(question["url"], form, question["ours"]),
    }


def stream(response, value, more):
    connect = Connect(action=value["action"], method="POST")
    stream = connect.stream(
        url=value["media"],
        status_callback=value["stream_status"],
        status_callback_method="POST",
    )
    for name in ["token", "to", *more]:
        stream.parameter(name=name, value=value[name])
    response.append(connect)
    response.redirect(value["action"], method="POST")
    return response


def document(question):
    """Whether the library writes the same document."""
    name, value = question["document"], question["values"]
    response = VoiceResponse()
    if name == "answer":
        stream(response, value, [])
    elif name == "resume":
        stream(response, value, ["resume"])
    elif name == "fallback":
        response.say(value["words"], language=value["language"])
        stream(response, value, ["resume"])
    elif name == "callback":
        stream(response, value, ["promise"])
    elif name == "apologize":
        response.say(value["words"], language=value["language"])
        response.hangup()
    elif name == "whisper":
        response.say(value["words"], language=value["language"])
    elif name == "redirect":
        response.redirect(value["action"], method="POST")
    elif name == "busy":
        response.reject(reason="busy")
    elif name == "hangup":
        response.hangup()
    elif name in ("transfer", "transfer_sip"):
        dial = Dial(action=value["action"], method="POST", timeout=value["timeout"])
        connect = dial.number if name == "transfer" else dial.sip
        connect(value["person"], url=value["whisper"], method="POST")
        response.append(dial)
        response.redirect(value["action"], method="POST")
    elif name == "sms_reply":
        response = MessagingResponse()
        response.message(value["text"])
    else:
        raise ValueError(name)
    theirs = canonicalize(str(response), strip_text=True)
    ours = canonicalize(question["xml"], strip_text=True)
    return {"same": theirs == ours, "theirs": theirs, "ours": ours}


for line in sys.stdin:
    asked = json.loads(line)
    answer = document(asked) if "document" in asked else signature(asked)
    print(json.dumps(answer), flush=True)
