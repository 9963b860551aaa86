import { useEffect, useMemo, useState } from "preact/hooks";
import { activities, request, type Summary } from "../api";
import { Range, Spark } from "../charts";
import { href, useLoaded } from "../hooks";
import { between, day, DAYS, moment, monthYear, number, percent, span, t } from "../i18n";
import { grade, SortedTable, Tile, Waiting, type Column } from "../parts";

async function all(signal: AbortSignal): Promise<Summary[]> {
  const found: Summary[] = [];
  let next: string | null = null;
  do {
    const page: { projects: Summary[]; next: string | null } = await request(`projects${next ? `?next=${encodeURIComponent(next)}` : ""}`, undefined, signal);
    found.push(...page.projects);
    next = page.next;
  } while (next);
  return found;
}
// Projects that are listed at first, those that slip most: the heat map below is not out of sight.
const FIRST = 25;
const slip = (item: Summary): number | null => between(item.completion?.baseline, item.completion?.p80);

export function Portfolio() {
  const loaded = useLoaded(all, []);
  useEffect(() => { document.title = `${t("nav.portfolio")} · Slipcast`; }, []);
  return (
    <>
      <div class="title"><h1>{t("nav.portfolio")}</h1><p class="muted">{t("portfolio.lead")}</p></div>
      <Waiting of={loaded}>{(projects) => (projects.length ? <Projects projects={projects} /> : <Empty />)}</Waiting>
    </>
  );
}

function Empty() {
  return <section class="card"><h2>{t("portfolio.empty")}</h2><p>{t("portfolio.empty.help")}</p></section>;
}

function Projects({ projects }: { projects: Summary[] }) {
  const [text, setText] = useState("");
  const [slipping, setSlipping] = useState(false);
  // Of many that are finished, what remains is shown at first.
  const [open, setOpen] = useState(() => projects.filter((item) => !item.open).length > FIRST);
  const shown = projects.filter((item) => {
    const found = `${item.name} ${item.source} ${item.project_id}`.toLowerCase().includes(text.toLowerCase().trim());
    return found && (!open || item.open > 0) && (!slipping || (slip(item) ?? 0) > 0);
  });
  const [from, to] = useMemo(() => {
    const dates = projects.flatMap(({ completion }) => (completion ? [completion.baseline, completion.p50, completion.p90] : [])).filter((item) => item != null).map(moment);
    return dates.length ? [Math.min(...dates) - 20 * DAYS, Math.max(...dates) + 20 * DAYS] : [0, 1];
  }, [projects]);
  const sum = (name: "open" | "at_risk" | "already_late") => projects.reduce((total, item) => total + item[name], 0);
  const behind = projects.filter((item) => (slip(item) ?? 0) > 0).length;
  const columns: Column<Summary>[] = [
    { name: "name", label: t("project"), sort: (item) => item.name, cell: (item) => <a class="project" href={href("projects", item.project_id)}>{item.name}<small>{item.source} · {t("as.of", { day: day(item.data_date) })}</small></a> },
    { name: "p80", label: t("completion.p80"), sort: (item) => item.completion?.p80 ?? null, cell: (item) => <>{day(item.completion?.p80)}<small>P50 {day(item.completion?.p50)}</small></> },
    { name: "range", label: t("completion.range", { from: monthYear(from), to: monthYear(to) }), cell: (item) => item.completion && <Range completion={item.completion} from={from} to={to} /> },
    { name: "slip", label: t("against.baseline"), numeric: true, sort: slip, cell: (item) => <Slip days={slip(item)} /> },
    { name: "trend", label: t("trend.p80"), cell: (item) => <Spark points={item.trend.filter((point) => point.p80)} label={t("trend.spark", { from: day(item.trend[0]?.p80), to: day(item.trend.at(-1)?.p80) })} /> },
    { name: "risk", label: t("at.risk"), numeric: true, sort: (item) => item.at_risk / Math.max(item.open, 1), cell: (item) => <Share part={item.at_risk} whole={item.open} /> },
    { name: "late", label: t("already.late"), numeric: true, sort: (item) => item.already_late, cell: (item) => number(item.already_late) },
    { name: "quality", label: t("quality"), numeric: true, sort: (item) => (item.quality ? item.quality.passed / Math.max(item.quality.checks, 1) : null), cell: (item) => (item.quality ? t("quality.checks", { passed: item.quality.passed, checks: item.quality.checks }) : "–") },
  ];
  return (
    <>
      <dl class="tiles">
        <Tile label={t("projects")} value={number(projects.length)} note={t("projects.behind", { n: behind })} tone={behind ? "warn" : ""} />
        <Tile label={t("open.activities")} value={number(sum("open"))} />
        <Tile label={t("at.risk")} value={number(sum("at_risk"))} note={percent(sum("at_risk") / Math.max(sum("open"), 1))} />
        <Tile label={t("already.late")} value={number(sum("already_late"))} />
      </dl>
      <section class="card">
        <div class="filters">
          <label class="search"><span class="unseen">{t("portfolio.search")}</span><input type="search" placeholder={t("portfolio.search")} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
          <label class="check"><input type="checkbox" checked={open} onChange={(event) => setOpen(event.currentTarget.checked)} />{t("portfolio.open")}</label>
          <label class="check"><input type="checkbox" checked={slipping} onChange={(event) => setSlipping(event.currentTarget.checked)} />{t("portfolio.slipping")}</label>
        </div>
        <SortedTable columns={columns} rows={shown} first="-slip" caption={t("portfolio.table")} keyOf={(item) => item.project_id} most={FIRST} />
        <p class="legend"><span class="key base" /> {t("baseline")} <span class="key narrow" /> P50–P80 <span class="key wide" /> P80–P90</p>
      </section>
      <HeatMap projects={shown} />
    </>
  );
}

export function Slip({ days }: { days: number | null }) {
  return <span class={`slip ${days == null ? "" : days > 0 ? "bad" : "good"}`}>{span(days)}</span>;
}

function Share({ part, whole }: { part: number; whole: number }) {
  return <span class="share">{number(part)}<small>{percent(part / Math.max(whole, 1))}</small></span>;
}

// Expected number of late activities by phase and location. It needs the activities of all projects, so it is asked for.
const MOST = 40;
function HeatMap({ projects }: { projects: Summary[] }) {
  const [wanted, setWanted] = useState(false);
  const some = projects.filter((item) => item.open).sort((one, other) => other.open - one.open);
  const names = some.slice(0, MOST).map((item) => item.project_id);
  const loaded = useLoaded(async (signal) => {
    if (!wanted) return null;
    const cells = new Map<string, { open: number; late: number }>();
    const phases = new Set<string>(), places = new Set<string>();
    for (const rows of await Promise.all(names.map((name) => activities(name, signal)))) {
      for (const row of rows) {
        if (row.status === "complete" || row.late_probability == null) continue;
        const [phase, place] = [row.phase || t("group.without"), row.location || t("group.without")];
        phases.add(phase);
        places.add(place);
        const cell = cells.get(`${phase}\n${place}`) ?? { open: 0, late: 0 };
        cells.set(`${phase}\n${place}`, { open: cell.open + 1, late: cell.late + row.late_probability });
      }
    }
    return { cells, phases: [...phases].sort(), places: [...places].sort((one, other) => one.localeCompare(other, undefined, { numeric: true })) };
  }, [wanted, names.join("\n")]);
  return (
    <section class="card">
      <h2>{t("heat.title")}</h2>
      <p class="muted">{t("heat.help")}</p>
      {!wanted && <button type="button" onClick={() => setWanted(true)}>{t("heat.show")}</button>}
      {wanted && some.length > MOST && <p class="muted">{t("heat.most", { n: MOST })}</p>}
      {wanted && (
        <Waiting of={loaded}>
          {(found) => (
            <div class="scroll" tabIndex={0} role="region" aria-label={t("heat.title")}>
              <table class="heat">
                <thead><tr><th scope="col">{t("location")}</th>{found?.phases.map((phase) => <th key={phase} scope="col">{phase}</th>)}</tr></thead>
                <tbody>
                  {found?.places.map((place) => (
                    <tr key={place}>
                      <th scope="row">{place}</th>
                      {found.phases.map((phase) => {
                        const cell = found.cells.get(`${phase}\n${place}`);
                        return <td key={phase} class={cell ? `g${grade(cell.late / cell.open)}` : "none"}>{cell ? <>{percent(cell.late / cell.open)}<small>{t("heat.of", { n: cell.open })}</small></> : ""}</td>;
                      })}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Waiting>
      )}
    </section>
  );
}
