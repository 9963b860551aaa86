"""One project as XER, as Primavera XML and as MS Project XML, each as its tool writes it."""

# One project in three notations: five days a week, a holiday on 9 June, six hours of float over a weekend.
SHIFTS = "(0||0(s|08:00|f|12:00)())(0||1(s|13:00|f|17:00)())"
WEEK = "".join(f"(0||{day}()({SHIFTS if 1 < day < 7 else ''}))" for day in range(1, 8))
XER = "\r\n".join(
    "\t".join(line)
    for line in (
        ("ERMHDR", "19.12", "2025-06-05", "Project", "admin", "admin", "dbx", "Project Management", "EUR"),
        ("%T", "PROJECT"),
        ("%F", "proj_id", "proj_short_name", "last_recalc_date", "export_flag"),
        ("%R", "100", "HALL", "2025-06-05 08:00", "Y"),
        ("%T", "CALENDAR"),
        ("%F", "clndr_id", "clndr_name", "day_hr_cnt", "week_hr_cnt", "clndr_data"),
        (
            "%R",
            "5",
            "Five days",
            "8",
            "40",
            f"(0||CalendarData()((0||DaysOfWeek()({WEEK}))(0||Exceptions()((0||0(d|45817)())))))",
        ),
        ("%T", "PROJWBS"),
        ("%F", "wbs_id", "proj_id", "proj_node_flag", "wbs_short_name", "wbs_name", "parent_wbs_id"),
        ("%R", "10", "100", "Y", "HALL", "Hall 5", ""),
        ("%R", "11", "100", "N", "S", "Structure", "10"),
        ("%T", "TASK"),
        (
            *("%F", "task_id", "proj_id", "wbs_id", "clndr_id", "task_code", "task_name", "task_type", "status_code"),
            *("complete_pct_type", "phys_complete_pct", "target_drtn_hr_cnt", "remain_drtn_hr_cnt"),
            *("target_start_date", "target_end_date", "act_start_date", "act_end_date", "total_float_hr_cnt"),
            *("early_start_date", "early_end_date", "late_start_date", "late_end_date"),
        ),
        (
            *("%R", "1", "100", "11", "5", "A1", "Walls", "TT_Task", "TK_NotStart", "CP_Drtn", "0", "72", "72"),
            *("2025-06-06 08:00", "2025-06-19 17:00", "", "", "6"),
            *("2025-06-06 08:00", "2025-06-20 13:00", "2025-06-09 08:00", "2025-06-23 10:00"),
        ),
        (
            *("%R", "2", "100", "11", "5", "A2", "Roof", "TT_Task", "TK_Active", "CP_Drtn", "0", "40", "10"),
            *("2025-06-02 08:00", "2025-06-06 17:00", "2025-06-02 08:00", "", "0"),
            *("2025-06-05 08:00", "2025-06-06 10:00", "2025-06-05 08:00", "2025-06-06 10:00"),
        ),
        ("%T", "TASKPRED"),
        ("%F", "task_pred_id", "task_id", "pred_task_id", "proj_id", "pred_proj_id", "pred_type", "lag_hr_cnt"),
        ("%R", "9", "1", "2", "100", "100", "PR_SS", "4"),
        ("%E",),
    )
)
HOURS = (
    "<WorkTime><Start>08:00:00</Start><Finish>11:59:00</Finish></WorkTime>"
    "<WorkTime><Start>13:00:00</Start><Finish>16:59:00</Finish></WorkTime>"
)
NO_HOURS = '<WorkTime xsi:nil="true"/>'
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
P6_WEEK = "".join(
    f"<StandardWorkHours><DayOfWeek>{day}</DayOfWeek>{NO_HOURS if day.startswith('S') else HOURS}</StandardWorkHours>"
    for day in DAYS
)
PMXML = f"""<?xml version="1.0" encoding="UTF-8"?>
<APIBusinessObjects xmlns="http://xmlns.oracle.com/Primavera/P6Professional/V22.12/API/BusinessObjects"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<ActivityCodeType><Name>Phase</Name><ObjectId>7</ObjectId><Scope>Global</Scope></ActivityCodeType>
<ActivityCode><CodeTypeObjectId>7</CodeTypeObjectId><CodeValue>S</CodeValue><Description>Shell</Description>
<ObjectId>71</ObjectId></ActivityCode>
<Calendar><HoursPerDay>8</HoursPerDay><HoursPerWeek>40</HoursPerWeek><Name>Company</Name><ObjectId>4</ObjectId>
<Type>Global</Type><StandardWorkWeek>{P6_WEEK}</StandardWorkWeek><HolidayOrExceptions><HolidayOrException>
<Date>2025-06-09T00:00:00</Date>{NO_HOURS}</HolidayOrException></HolidayOrExceptions></Calendar>
<Project><CurrentBaselineProjectObjectId>CURRENT</CurrentBaselineProjectObjectId>
<DataDate>2025-06-05T08:00:00</DataDate><Id>HALL</Id><Name>Hall 5</Name><ObjectId>100</ObjectId>
<ActivityCodeType><Name>Zone</Name><ObjectId>8</ObjectId><Scope>Project</Scope></ActivityCodeType>
<ActivityCode><CodeTypeObjectId>8</CodeTypeObjectId><CodeValue>N</CodeValue><Description>North</Description>
<ObjectId>81</ObjectId></ActivityCode>
<Calendar><BaseCalendarObjectId>4</BaseCalendarObjectId><HoursPerDay>8</HoursPerDay><HoursPerWeek>40</HoursPerWeek>
<Name>Five days</Name><ObjectId>5</ObjectId><Type>Project</Type>
<StandardWorkWeek>{P6_WEEK}</StandardWorkWeek></Calendar>
<WBS><Code>S</Code><Name>Structure</Name><ObjectId>11</ObjectId><ParentObjectId xsi:nil="true"/></WBS>
<Activity><CalendarObjectId>5</CalendarObjectId><Id>A1</Id><Name>Walls</Name><ObjectId>1</ObjectId>
<PercentCompleteType>Duration</PercentCompleteType><PlannedDuration>72</PlannedDuration>
<PlannedFinishDate>2025-06-19T17:00:00</PlannedFinishDate><PlannedStartDate>2025-06-06T08:00:00</PlannedStartDate>
<RemainingDuration>72</RemainingDuration><RemainingEarlyFinishDate>2025-06-20T13:00:00</RemainingEarlyFinishDate>
<RemainingEarlyStartDate>2025-06-06T08:00:00</RemainingEarlyStartDate>
<RemainingLateFinishDate>2025-06-23T10:00:00</RemainingLateFinishDate>
<RemainingLateStartDate>2025-06-09T08:00:00</RemainingLateStartDate><Status>Not Started</Status>
<Type>Task Dependent</Type><WBSObjectId>11</WBSObjectId>
<Code><TypeObjectId>7</TypeObjectId><ValueObjectId>71</ValueObjectId></Code>
<Code><TypeObjectId>8</TypeObjectId><ValueObjectId>81</ValueObjectId></Code></Activity>
<Activity><ActualStartDate>2025-06-02T08:00:00</ActualStartDate><CalendarObjectId>5</CalendarObjectId><Id>A2</Id>
<Name>Roof</Name><ObjectId>2</ObjectId><PercentCompleteType>Duration</PercentCompleteType>
<PlannedDuration>40</PlannedDuration><PlannedFinishDate>2025-06-06T17:00:00</PlannedFinishDate>
<PlannedStartDate>2025-06-02T08:00:00</PlannedStartDate><RemainingDuration>10</RemainingDuration>
<RemainingEarlyFinishDate>2025-06-06T10:00:00</RemainingEarlyFinishDate>
<RemainingEarlyStartDate>2025-06-05T08:00:00</RemainingEarlyStartDate><Status>In Progress</Status>
<Type>Task Dependent</Type><WBSObjectId>11</WBSObjectId></Activity>
<ActivityExpense><ActivityObjectId>1</ActivityObjectId><PlannedCost>300</PlannedCost></ActivityExpense>
<Relationship><Lag>4</Lag><ObjectId>9</ObjectId><PredecessorActivityObjectId>2</PredecessorActivityObjectId>
<SuccessorActivityObjectId>1</SuccessorActivityObjectId><Type>Start to Start</Type></Relationship>
<ScheduleOptions><RelationshipLagCalendar>Successor Activity Calendar</RelationshipLagCalendar></ScheduleOptions>
</Project>BASELINES
</APIBusinessObjects>
"""
P6_BASELINE = """<BaselineProject><DataDate>{day}T08:00:00</DataDate><Id>HALL - B{number}</Id>
<ObjectId>{number}</ObjectId><OriginalProjectObjectId>100</OriginalProjectObjectId>
<Activity><Id>A1</Id><ObjectId>{number}1</ObjectId><PlannedFinishDate>{day}T17:00:00</PlannedFinishDate>
<PlannedStartDate>{day}T08:00:00</PlannedStartDate><Status>Not Started</Status><Type>Task Dependent</Type></Activity>
</BaselineProject>"""
MSP_TIMES = (
    "<WorkingTimes><WorkingTime><FromTime>08:00:00</FromTime><ToTime>12:00:00</ToTime></WorkingTime>"
    "<WorkingTime><FromTime>13:00:00</FromTime><ToTime>17:00:00</ToTime></WorkingTime></WorkingTimes>"
)
MSP_WEEK = "".join(
    f"<WeekDay><DayType>{day}</DayType><DayWorking>{int(1 < day < 7)}</DayWorking>"
    f"{MSP_TIMES if 1 < day < 7 else ''}</WeekDay>"
    for day in range(1, 8)
)
MSPDI = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Project xmlns="http://schemas.microsoft.com/project">
<SaveVersion>14</SaveVersion><Name>hall.xml</Name><Title>Hall 5</Title><CalendarUID>3</CalendarUID>
<MinutesPerDay>480</MinutesPerDay><MinutesPerWeek>2400</MinutesPerWeek><StatusDate>2025-06-05T17:00:00</StatusDate>
<CurrentDate>2026-01-05T08:00:00</CurrentDate>
<ExtendedAttributes><ExtendedAttribute><FieldID>188743731</FieldID><FieldName>Text1</FieldName><Alias>Zone</Alias>
</ExtendedAttribute></ExtendedAttributes>
<Calendars><Calendar><UID>1</UID><Name>Standard</Name><IsBaseCalendar>1</IsBaseCalendar>
<BaseCalendarUID>-1</BaseCalendarUID><WeekDays>{MSP_WEEK}</WeekDays><Exceptions><Exception>
<EnteredByOccurrences>0</EnteredByOccurrences><TimePeriod><FromDate>2020-06-09T00:00:00</FromDate>
<ToDate>2030-06-09T23:59:00</ToDate></TimePeriod><Occurrences>11</Occurrences><Name>Whit Monday</Name><Type>2</Type>
<Month>5</Month><MonthDay>9</MonthDay><DayWorking>0</DayWorking></Exception></Exceptions></Calendar>
<Calendar><UID>3</UID><Name>Site</Name><IsBaseCalendar>0</IsBaseCalendar><BaseCalendarUID>1</BaseCalendarUID></Calendar>
</Calendars>
<Tasks>
<Task><UID>0</UID><ID>0</ID><Name>Hall 5</Name><OutlineLevel>0</OutlineLevel><Summary>1</Summary></Task>
<Task><UID>5</UID><ID>1</ID><Name>Structure</Name><OutlineLevel>1</OutlineLevel><Summary>1</Summary></Task>
<Task><UID>1</UID><ID>2</ID><Name>Walls</Name><Active>1</Active><OutlineLevel>2</OutlineLevel>
<Start>2025-06-06T08:00:00</Start><Finish>2025-06-19T17:00:00</Finish><Duration>PT72H0M0S</Duration>
<EarlyStart>2025-06-06T08:00:00</EarlyStart><EarlyFinish>2025-06-20T13:00:00</EarlyFinish>
<LateFinish>2025-06-23T10:00:00</LateFinish><TotalSlack>3600</TotalSlack><PercentComplete>0</PercentComplete>
<RemainingDuration>PT72H0M0S</RemainingDuration><Milestone>0</Milestone><Summary>0</Summary>
<CalendarUID>-1</CalendarUID><PredecessorLink><PredecessorUID>2</PredecessorUID><Type>3</Type><LinkLag>2400</LinkLag>
<LagFormat>5</LagFormat></PredecessorLink>BASELINES
<ExtendedAttribute><FieldID>188743731</FieldID><Value>North</Value></ExtendedAttribute></Task>
<Task><UID>2</UID><ID>3</ID><Name>Roof</Name><Active>1</Active><OutlineLevel>2</OutlineLevel>
<Start>2025-06-02T08:00:00</Start><Finish>2025-06-06T17:00:00</Finish><ActualStart>2025-06-02T08:00:00</ActualStart>
<PercentComplete>75</PercentComplete><Milestone>0</Milestone><Summary>0</Summary><CalendarUID>-1</CalendarUID></Task>
<Task><UID>3</UID><ID>4</ID><IsNull>1</IsNull></Task>
<Task><UID>4</UID><ID>5</ID><Name>Dropped</Name><Active>0</Active><OutlineLevel>1</OutlineLevel>
<Start>2025-06-02T08:00:00</Start><Finish>2025-06-06T17:00:00</Finish><Milestone>0</Milestone><Summary>0</Summary></Task>
<Task><UID>6</UID><ID>6</ID><Name>Done</Name><OutlineLevel>1</OutlineLevel><Start>2025-06-02T08:00:00</Start>
<Finish>2025-06-02T08:00:00</Finish><Milestone>1</Milestone><Summary>0</Summary></Task>
</Tasks>
</Project>
"""
MSP_BASELINE = (
    "<Baseline><Number>{number}</Number><Start>{day}T08:00:00</Start><Finish>{day}T17:00:00</Finish>"
    "<Cost>1250000</Cost></Baseline>"
)


def p6(*baselines: tuple[int, str], current: int | None = None) -> str:
    parts = "".join(P6_BASELINE.format(number=number, day=day) for number, day in baselines)
    text = PMXML.replace("BASELINES", parts)
    wanted = "<CurrentBaselineProjectObjectId>CURRENT</CurrentBaselineProjectObjectId>"
    return text.replace("CURRENT", str(current)) if current else text.replace(wanted, "")


def msp(*baselines: tuple[int, str]) -> str:
    return MSPDI.replace("BASELINES", "".join(MSP_BASELINE.format(number=number, day=day) for number, day in baselines))
