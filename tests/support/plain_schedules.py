"""Schedules of one table, as small as a test can read."""


def schedule(rows: int, *, data_date: str = "2024-12-31", budget: int = 1000, first: int = 0) -> bytes:
    """Return a schedule whose even activities were late."""
    lines = ["activity_id,data_date,start,baseline_finish,actual_finish,budget"]
    for number in range(first, first + rows):
        finish = "2023-09-30" if number % 2 == 0 else "2023-06-20"
        lines.append(f"A{number:02},{data_date},2023-01-02,2023-06-30,{finish},{budget}")
    return "\n".join(lines).encode() + b"\n"
