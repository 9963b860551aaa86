import { useEffect, useMemo, useState } from "preact/hooks";
import { activities, segment, type Activity, type Forecast, type Project } from "../api";
import { Trend } from "../charts";
import { Gantt } from "../gantt/gantt";
import { finishedGroups, groupKeys, matching, rows as rowsOf, type Grouping } from "../gantt/tree";
import { href, useGet, useLoaded } from "../hooks";
import { between, day, number, percent, signed, t, type Key } from "../i18n";
import { English, SortedTable, Tile, Waiting } from "../parts";
import { Compare } from "./compare";
import { Export } from "./export";
import { LineageScreen } from "./lineage";
import { Panel } from "./panel";
import { Slip } from "./portfolio";
import { WhatIf } from "./whatif";

const TABS = ["gantt", "drivers", "compare", "what-if", "export"] as const;

export function ProjectScreen({ id, tab, query }: { id: string; tab: string; query: URLSearchParams }) {
  const project = useGet<Project>(`projects/${segment(id)}`);
  useEffect(() => { document.title = `${project.data?.name ?? id} · Slipcast`; }, [project.data]);
  return <Waiting of={project}>{(found) => <Loaded project={found} tab={tab} query={query} />}</Waiting>;
}

function Loaded({ project, tab, query }: { project: Project; tab: string; query: URLSearchParams }) {
  const { completion } = project;
  return (
    <>
      <div class="title">
        <p class="crumbs"><a href="#/">{t("nav.portfolio")}</a> / {project.source}</p>
        <h1>{project.name}</h1>
        <p class="muted">{t("as.of", { day: day(project.data_date) })} · {t("project.activities", { n: project.activities, open: project.open })}</p>
      </div>
      <dl class="tiles">
        <Tile label={t("completion.p80")} value={day(completion?.p80)} note={<Slip days={between(completion?.baseline, completion?.p80)} />} tone={(between(completion?.baseline, completion?.p80) ?? 0) > 0 ? "warn" : ""} />
        <Tile label={t("completion.p50")} value={day(completion?.p50)} note={<Slip days={between(completion?.baseline, completion?.p50)} />} />
        <Tile label={t("completion.planned")} value={day(completion?.planned)} note={t("baseline.is", { day: day(completion?.baseline) })} />
        <Tile label={t("at.risk")} value={number(project.at_risk)} note={t("of.open", { n: project.open })} />
        <Tile label={t("already.late")} value={number(project.already_late)} />
        {project.quality && <Tile label={t("quality")} value={t("quality.checks", { ...project.quality })} note={t("quality.note")} />}
      </dl>
      <nav class="tabs" aria-label={t("project.parts")}>
        {TABS.map((name) => <a key={name} href={href("projects", project.project_id, name)} aria-current={tab === name ? "page" : undefined}>{t(`tab.${name}` as Key)}</a>)}
      </nav>
      <Part project={project} tab={tab} query={query} />
    </>
  );
}

function Part({ project, tab, query }: { project: Project; tab: string; query: URLSearchParams }) {
  if (tab === "drivers") return <Drivers project={project} />;
  if (tab === "compare") return <Compare project={project} />;
  if (tab === "what-if") return <WhatIf project={project} />;
  if (tab === "export") return <Export project={project} />;
  if (tab === "lineage" && query.has("activity")) return <LineageScreen project={project} id={query.get("activity")!} />;
  return <Schedule project={project} query={query} />;
}

function Schedule({ project, query }: { project: Project; query: URLSearchParams }) {
  const loaded = useLoaded((signal) => activities(project.project_id, signal), [project.project_id]);
  const forecast = useGet<Forecast>(`projects/${segment(project.project_id)}/forecast`);
  return <Waiting of={loaded}>{(found) => <Chart project={project} all={found} forecast={forecast.data} selected={query.get("activity")} />}</Waiting>;
}

const MANY = 40;
const GROUPINGS: Grouping[] = ["phase", "wbs", "location", "none"];
function Chart({ project, all, forecast, selected }: { project: Project; all: Activity[]; forecast: Forecast | null; selected: string | null }) {
  const groupings = GROUPINGS.filter((name) => name === "none" || all.some((item) => item[name]));
  const [by, setBy] = useState<Grouping>(groupings[0]!);
  const [text, setText] = useState("");
  const [atRisk, setAtRisk] = useState(false);
  // Of a project that has finished a lot, what remains is shown at first.
  const [open, setOpen] = useState(() => project.activities - project.open > MANY && project.open > 0);
  const [critical, setCritical] = useState(false);
  const [driving, setDriving] = useState(false);
  const [closed, setClosed] = useState<ReadonlySet<string>>(() => finishedGroups(all, groupings[0]!));
  const path = useMemo(() => new Set(forecast?.driving_path ?? []), [forecast]);
  const found = useMemo(() => {
    const some = matching(all, { text, atRisk, critical, open });
    return driving ? some.filter((item) => path.has(item.activity_id)) : some;
  }, [all, text, atRisk, critical, open, driving, path]);
  const rows = useMemo(() => rowsOf(found, by, closed), [found, by, closed]);
  const toggle = (key: string) => setClosed((now) => {
    const next = new Set(now);
    if (!next.delete(key)) next.add(key);
    return next;
  });
  const base = href("projects", project.project_id, "gantt");
  const select = (id: string | null) => { location.hash = id ? `${base}?activity=${encodeURIComponent(id)}` : base; };
  return (
    <section class={`chart-card ${selected ? "with-panel" : ""}`} aria-label={t("tab.gantt")}>
      <div class="filters">
        <label class="search"><span class="unseen">{t("gantt.search")}</span><input type="search" placeholder={t("gantt.search")} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
        <label class="check"><input type="checkbox" checked={atRisk} onChange={(event) => setAtRisk(event.currentTarget.checked)} />{t("at.risk")}</label>
        {all.some((item) => item.criticality) && <label class="check"><input type="checkbox" checked={critical} onChange={(event) => setCritical(event.currentTarget.checked)} />{t("gantt.critical")}</label>}
        <label class="check"><input type="checkbox" checked={open} onChange={(event) => setOpen(event.currentTarget.checked)} />{t("gantt.open")}</label>
        {path.size > 0 && <label class="check"><input type="checkbox" checked={driving} onChange={(event) => setDriving(event.currentTarget.checked)} />{t("gantt.driving")}</label>}
        <label class="pick"><span>{t("gantt.group.by")}</span>
          <select value={by} onChange={(event) => { setBy(event.currentTarget.value as Grouping); setClosed(finishedGroups(all, event.currentTarget.value as Grouping)); }}>
            {groupings.map((name) => <option key={name} value={name}>{t(`group.${name}` as Key)}</option>)}
          </select>
        </label>
        {by !== "none" && <>
          <button type="button" class="plain" onClick={() => setClosed(new Set(groupKeys(rowsOf(found, by, new Set()))))}>{t("gantt.collapse")}</button>
          <button type="button" class="plain" onClick={() => setClosed(new Set())}>{t("gantt.expand")}</button>
        </>}
        <span class="count" role="status">{t("gantt.count", { shown: found.length, all: all.length })}</span>
      </div>
      <div class="split">
        <Gantt rows={rows} activities={all} dataDate={project.data_date} selected={selected} path={path} onSelect={select} onToggle={toggle} />
        {selected && <Panel project={project} id={selected} close={() => select(null)} select={select} />}
      </div>
      <Legend />
    </section>
  );
}

function Legend() {
  return (
    <ul class="legend" aria-label={t("legend")}>
      <li><i class="key baseline" /> {t("baseline")}</li>
      <li><i class="key done" /> {t("stage.complete")}</li>
      <li>{t("legend.chance")} <i class="key g0" /><i class="key g1" /><i class="key g2" /><i class="key g3" /><i class="key g4" /> <span>{t("legend.scale")}</span></li>
      <li><i class="key late" /> {t("stage.already_late")}</li>
      <li><i class="key range" /> P10–P90</li>
      <li><i class="key p80" /> P80</li>
      <li><i class="key critical" /> {t("legend.critical")}</li>
      <li><i class="key near" /> {t("legend.near")}</li>
    </ul>
  );
}

// Where the completion comes from.
function Basis({ forecast: { basis, completion, note, reference_class: reference } }: { forecast: Forecast }) {
  if (basis !== "network") return <p>{t((basis === "independent activities" && !completion?.p80 ? "basis.none" : `basis.${basis}`) as Key)}{basis !== "finished" && note && <small><English text={note} /></small>}</p>;
  if (reference?.projects === undefined) return reference && <p class="muted"><English text={reference.text} /></p>;
  return <p class="muted">{t("reference.text", { n: reference.n, projects: reference.projects })} {reference.model && t("reference.model")}</p>;
}

function Drivers({ project }: { project: Project }) {
  const loaded = useGet<Forecast>(`projects/${segment(project.project_id)}/forecast`);
  return (
    <Waiting of={loaded}>
      {(forecast) => {
        const most = Math.max(...forecast.drivers.map((item) => Math.abs(item.days)), 1);
        const link = (id: string, name: string) => <a href={`${href("projects", project.project_id, "gantt")}?activity=${encodeURIComponent(id)}`}>{name || id}<small>{id}</small></a>;
        return (
          <div class="grid">
            <section class="card">
              <h2>{t("trend.title")}</h2>
              <p class="muted">{t("trend.help")}</p>
              <Trend label={t("trend.title")} baseline={project.completion?.baseline} series={(["p50", "p80"] as const).map((level) => ({
                name: level.toUpperCase(), class: level, points: project.trend.filter((point) => point[level]).map((point) => ({ at: point.data_date, value: point[level] })),
              }))} />
              <Basis forecast={forecast} />
            </section>
            <section class="card">
              <h2>{t("drivers.title")}</h2>
              <p class="muted">{t("drivers.help")}</p>
              {forecast.drivers.length === 0 && <p>{t("drivers.none")}</p>}
              <ol class="drivers">
                {forecast.drivers.slice(0, 10).map((item) => (
                  <li key={item.activity_id}>
                    {link(item.activity_id, item.name)}
                    <span class="bar" aria-hidden="true"><i style={{ width: `${(Math.max(item.days, 0) / most) * 100}%` }} /></span>
                    <span class="n">{t("drivers.days", { days: signed(item.days) })}</span>
                    <small>{t("drivers.critical", { share: percent(item.criticality) })}</small>
                  </li>
                ))}
              </ol>
            </section>
            {forecast.milestones.length > 0 && (
              <section class="card wide">
                <h2>{t("milestones.title")}</h2>
                <SortedTable caption={t("milestones.title")} first="p80" keyOf={(item) => item.activity_id} rows={forecast.milestones} columns={[
                  { name: "name", label: t("milestone"), sort: (item) => item.name, cell: (item) => link(item.activity_id, item.name) },
                  { name: "baseline", label: t("baseline"), sort: (item) => item.baseline_finish, cell: (item) => day(item.baseline_finish) },
                  { name: "planned", label: t("completion.planned"), sort: (item) => item.planned_finish, cell: (item) => day(item.planned_finish) },
                  { name: "p50", label: "P50", sort: (item) => item.p50, cell: (item) => day(item.p50) },
                  { name: "p80", label: "P80", sort: (item) => item.p80, cell: (item) => day(item.p80) },
                  { name: "p90", label: "P90", sort: (item) => item.p90, cell: (item) => day(item.p90) },
                  { name: "slip", label: t("milestone.slip"), numeric: true, sort: (item) => between(item.baseline_finish ?? item.planned_finish, item.p80), cell: (item) => <Slip days={between(item.baseline_finish ?? item.planned_finish, item.p80)} /> },
                ]} />
              </section>
            )}
            {forecast.groups.length > 0 && (
              <section class="card wide">
                <h2>{t("groups.title")}</h2>
                <p class="muted">{t("groups.help")}</p>
                <SortedTable caption={t("groups.title")} first="-days" keyOf={(item) => `${item.column}\n${item.value}`} rows={forecast.groups} columns={[
                  { name: "value", label: t("group"), sort: (item) => item.value, cell: (item) => item.value },
                  { name: "column", label: t("group.kind"), sort: (item) => item.column, cell: (item) => (["phase", "wbs", "location", "work_type"].includes(item.column) ? t(`group.${item.column}` as Key) : item.column) },
                  { name: "days", label: t("group.days"), numeric: true, sort: (item) => item.days, cell: (item) => signed(item.days) },
                ]} />
              </section>
            )}
          </div>
        );
      }}
    </Waiting>
  );
}
