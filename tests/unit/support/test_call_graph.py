"""What a function's code can ask of AWS is found however it is written, or the reader says that it cannot tell."""

import pytest

from permissions.call_graph import UnreadableError, actions_for, calls_in

CLIENT = """
from functools import cache

import boto3


@cache
def client():
    return boto3.client("s3")
"""


def found(folder, app: str, **modules: str) -> set[str]:
    for name, text in {"app": app, **modules}.items():
        (folder / f"{name}.py").write_text(text)
    return actions_for(calls_in(folder))


@pytest.mark.parametrize(
    "body",
    [
        "store.client().put_object(Bucket=b)",
        "store.save(b)",
        "list(map(store.save, [b]))",
        "later = store.save",
        "from store import save as s; s(b)",
        "STEPS[b](b)",
        "Work().run()",
    ],
    ids=["called", "one module on", "handed on", "kept", "imported late", "in a table", "in a method"],
)
def test_a_call_is_found_however_it_is_come_to(tmp_path, body):
    store = CLIENT + "\n\ndef save(b):\n    client().put_object(Bucket=b)\n"
    app = (
        "import store\n\nclass Work:\n    def run(self):\n        store.save('b')\n\n"
        f"STEPS = {'{1: store.save}' if 'STEPS' in body else '{}'}\n\n"
        f"def handler(event, context):\n    b = event\n    {body}\n"
    )

    assert found(tmp_path, app, store=store) == {"s3:PutObject"}


def test_what_nothing_names_is_not_come_to(tmp_path):
    store = (
        CLIENT
        + "\n\ndef save(b):\n    client().put_object(Bucket=b)\n\n\ndef load(b):\n    client().get_object(Bucket=b)\n"
    )

    assert found(tmp_path, "import store\n\ndef handler(e, c):\n    store.load(e)\n", store=store) == {"s3:GetObject"}


def test_a_route_and_what_runs_at_import_are_come_to(tmp_path):
    app = CLIENT + (
        "client().head_object()\n\n@routes.post('/x')\ndef predict():\n    client().delete_object()\n\n\n"
        "def handler(e, c):\n    return routes.resolve(e)\n"
    )

    assert found(tmp_path, app) == {"s3:GetObject", "s3:DeleteObject"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("boto3.client('stepfunctions').start_execution()", {"states:StartExecution"}),
        ("boto3.client('lambda').invoke()", {"lambda:InvokeFunction"}),
        ("boto3.client('lambda').get_waiter('function_updated').wait()", {"lambda:GetFunctionConfiguration"}),
        ("boto3.client('s3').get_paginator('list_objects_v2').paginate()", {"s3:ListBucket"}),
        ("boto3.client('s3').generate_presigned_url('get_object')", {"s3:GetObject"}),
        ("boto3.client('s3').get_object(VersionId='1')", {"s3:GetObjectVersion"}),
        ("boto3.client('s3').upload_file('a', 'b', 'c')", {"s3:PutObject"}),
        (
            "boto3.client('lambda').update_function_configuration(Layers=[])",
            {"lambda:UpdateFunctionConfiguration", "lambda:GetLayerVersion"},
        ),
        ("boto3.client('s3').exceptions.NoSuchKey", set()),
        ("use(boto3.client('s3').delete_object, Bucket=e)", {"s3:DeleteObject"}),
        (
            "boto3.client('lambda').update_function_configuration(**e)",
            {"lambda:UpdateFunctionConfiguration", "lambda:GetLayerVersion"},
        ),
    ],
)
def test_methods_are_known_by_the_actions_that_they_are_asked_under(tmp_path, text, expected):
    assert found(tmp_path, f"import boto3\n\ndef handler(e, c):\n    {text}\n") == expected


def test_a_table_of_the_resource_interface_is_read(tmp_path):
    app = (
        "import boto3\n\ndef handler(e, c):\n    table = boto3.resource('dynamodb').Table('t')\n"
        "    with table.batch_writer() as batch:\n        batch.put_item(Item={})\n"
    )

    assert found(tmp_path, app) == {"dynamodb:BatchWriteItem"}


@pytest.mark.parametrize(
    "body",
    [
        "use(boto3.client('s3'))",
        "boto3.client(e)",
        "boto3.client('s3').no_such()",
    ],
    ids=["handed to a function", "of no known service", "no method"],
)
def test_what_cannot_be_read_is_an_error(tmp_path, body):
    with pytest.raises(UnreadableError, match=r"app:\d+"):
        found(tmp_path, f"import boto3\n\ndef handler(e, c):\n    {body}\n")
