"""Open alarms: those that no release has answered yet."""

from slipcast_aws.control.table import client, item_key, read_item

ALARMS = ("GATE", "alarms")


def open_alarm(table: str, name: str) -> None:
    """Record an alarm that asks for a better model."""
    _change_alarms(table, "ADD", name)


def close_alarm(table: str, name: str) -> None:
    """Record that an alarm has gone back to OK by itself."""
    _change_alarms(table, "DELETE", name)


def _change_alarms(table: str, verb: str, name: str) -> None:
    client().update_item(
        TableName=table,
        Key=item_key(*ALARMS),
        UpdateExpression=f"{verb} open_alarms :name",
        ExpressionAttributeValues={":name": {"SS": [name]}},
    )


def close_alarms(table: str) -> None:
    """Record that a release has answered all alarms."""
    client().delete_item(TableName=table, Key=item_key(*ALARMS))


def open_alarms(table: str) -> list[str]:
    """Return the names of the alarms that no release has answered, sorted."""
    item = read_item(table, ALARMS) or {}
    return sorted(item.get("open_alarms", {}).get("SS", []))
