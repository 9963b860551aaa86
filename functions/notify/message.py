"""Text of a notification."""

from slipcast.contracts import Notification

HEADLINES = {
    "released": "a new model is live",
    "rolled_back": "the new model was rolled back, the live one stays",
    "kept": "the live model stays",
    "ingested": "data ingested, no training",
    "refused": "file refused",
    "failed": "pipeline failed",
}
# Subject lines of executions without a training.
HOLDS = {
    "nothing_new": "nothing new to learn, drop a newer schedule",
    "too_few": "too few known outcomes, drop a longer history",
    "budget": "the training budget of the month is used up",
}
# Outcomes that have a report on candidates and gate.
TRAINED = ("released", "rolled_back", "kept")

# SNS refuses a longer subject.
MAX_SUBJECT = 100


def compose(event: Notification, intake_link: str | None) -> tuple[str, str]:
    """Return subject and text for the outcome of an execution.

    Parameters
    ----------
    event
        The outcome.
    intake_link
        Signed link to the page of the dropped file; None without one.
    """
    headline = HEADLINES[event["outcome"]]
    # A file without new outcomes needs no mail; an alarm that cannot be answered does.
    hold = event.get("hold")
    if hold and (hold == "budget" or event.get("reason") != "new_data"):
        headline = HOLDS.get(hold, headline)
    subject = f"Slipcast: {headline}"[:MAX_SUBJECT]
    source = event.get("source") or {}
    lines = [
        subject,
        "",
        f"Why:       {event.get('why') or '-'}",
        f"Started by: {event.get('reason')} {source.get('key', '')}".rstrip(),
        f"Execution: {event['execution']}",
    ]
    if event.get("version"):
        lines.append(f"Version:   {event['version']}")
    if event.get("edge"):
        lines.append(f"Edge:      {event['edge']}")
    if upload := event.get("upload"):
        counts = upload["counts"]
        lines.append(
            f"Rows:      {counts['read']} read, {counts['accepted']} accepted, {counts['rejected']} in quarantine, "
            f"{counts['filtered']} left out"
        )
        if upload["changes"]:
            lines.append("Columns:   differ from the last file of this source, see the report")
    if source:
        lines.append(f"File:      reports/{event['execution']}/intake.html in the bucket")
    if intake_link:
        lines.append(f"           for an hour at {intake_link}")
    if event["outcome"] in TRAINED:
        lines.append(f"Training:  reports/{event['execution']}/report.html in the bucket")
    return subject, "\n".join(lines)
