#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
"""Writes sigv4_vectors.json: requests and the signatures that botocore (python3-botocore) computes for them.

Run it with Debian's python (/usr/bin/python3) after adding a case, and commit its output. The credentials are
the made-up ones of AWS's documentation.
"""
import datetime
import json
import pathlib

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd=="


def json_headers(target):
    return {"Host": "dynamodb.ap-northeast-2.amazonaws.com", "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810." + target}


UPDATE = json.dumps({"TableName": "VideoTable", "Key": {"id": {"S": "고양이 \"영상\" '1'"}},
                     "ExpressionAttributeValues": {":n": {"N": "9223372036854775807"}}}, ensure_ascii=False)
CASES = [
    dict(name="an empty JSON object", time="2026-11-22T00:00:00", headers=json_headers("ListTables"), body="{}"),
    dict(name="Korean text and quotes in the body", time="2026-11-22T23:59:59", headers=json_headers("UpdateItem"),
         body=UPDATE),
    dict(name="a session token", time="2024-02-29T12:30:45", headers=json_headers("Scan"), body='{"TableName":"VideoTable"}',
         token=TOKEN),
    dict(name="a local endpoint with a port, another region", time="2026-01-01T00:00:00", region="us-east-1",
         headers={**json_headers("UpdateItem"), "Host": "127.0.0.1:8000"}, body=UPDATE),
    dict(name="an IPv6 endpoint", time="2026-01-01T00:00:00", region="eu-west-3",
         headers={**json_headers("Scan"), "Host": "[::1]:8000"}, body="{}"),
    dict(name="blanks in a header's value", time="2026-06-07T08:09:10",
         headers={**json_headers("Scan"), "X-Amz-Note": "  a   b \t c  "}, body="{}"),
    dict(name="a query with characters to encode", time="2015-08-30T12:36:00", method="GET", region="us-east-1", service="service",
         headers={"Host": "example.amazonaws.com"}, body="",
         query={"b": "two words", "a": "x=y&z", "한글": "고양이", "B": "/~-_.", "empty": ""}),
]


def sign(case):
    when = datetime.datetime.fromisoformat(case["time"])

    class Clock(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return when

    region, service = case.get("region", "ap-northeast-2"), case.get("service", "dynamodb")
    request = AWSRequest(method=case.get("method", "POST"), url="https://" + case["headers"]["Host"] + "/",
                         headers=case["headers"], data=case["body"].encode(), params=case.get("query", {}))
    real, botocore.auth.datetime.datetime = botocore.auth.datetime.datetime, Clock
    try:
        botocore.auth.SigV4Auth(Credentials(KEY_ID, SECRET, case.get("token")), service, region).add_auth(request)
    finally:
        botocore.auth.datetime.datetime = real
    headers = dict(case["headers"])
    if "token" in case:
        headers["X-Amz-Security-Token"] = case["token"]
    return {"name": case["name"], "time": case["time"], "unix_time": int(when.replace(tzinfo=datetime.timezone.utc).timestamp()),
            "method": case.get("method", "POST"), "region": region, "service": service, "access_key_id": KEY_ID,
            "secret_access_key": SECRET, "session_token": case.get("token", ""), "query": list(case.get("query", {}).items()),
            "headers": [list(pair) for pair in headers.items()], "body": case["body"],
            "amz_date": request.headers["X-Amz-Date"], "authorization": request.headers["Authorization"]}


output = pathlib.Path(__file__).with_name("sigv4_vectors.json")
output.write_text(json.dumps([sign(case) for case in CASES], ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
