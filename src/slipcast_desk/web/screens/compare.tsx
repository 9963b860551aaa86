// What moved between two updates of a project.
import { useState } from "preact/hooks";
import { segment, type Project } from "../api";
import { href, useGet } from "../hooks";
import { between, day, number, signed, small, t, word } from "../i18n";
import { SortedTable, Tile, Waiting, type Column } from "../parts";
import { Slip } from "./portfolio";

interface Named { activity_id: string; activity_name: string }
interface Moved extends Named { days: number; float_consumed_hours: number; driver: Named }
interface Relation { predecessor: Named; successor: Named; type: string; lag_hours: number }
interface Change extends Named { field: string; before: string; after: string }
export interface Comparison {
  finish_days: Record<string, number>; slips: Moved[]; consumed: (Named & { hours: number })[]; added: Named[]; removed: Named[];
  added_relations: Relation[]; removed_relations: Relation[]; changes: Change[]; planned_changes: Change[]; baseline_changes: Change[];
  learned: { finished: number; late: number; expected_late: number; held: Record<"p50" | "p80" | "p90", number>; days: number | null; models: (string | null)[] };
}

export function Compare({ project }: { project: Project }) {
  const dates = [...new Set(project.updates.map((item) => item.data_date))].sort();
  const [from, setFrom] = useState(dates.at(-2) ?? "");
  const [to, setTo] = useState(dates.at(-1) ?? "");
  const chosen = from && to && from < to;
  const loaded = useGet<Comparison>(chosen ? `projects/${segment(project.project_id)}/compare?from=${from}&to=${to}` : null);
  if (dates.length < 2) return <section class="card"><h2>{t("compare.title")}</h2><p>{t("compare.one")}</p></section>;
  return (
    <>
      <section class="card">
        <h2>{t("compare.title")}</h2>
        <div class="filters">
          <label class="pick"><span>{t("compare.from")}</span><select value={from} onChange={(event) => setFrom(event.currentTarget.value)}>{dates.slice(0, -1).map((item) => <option key={item} value={item}>{day(item)}</option>)}</select></label>
          <label class="pick"><span>{t("compare.to")}</span><select value={to} onChange={(event) => setTo(event.currentTarget.value)}>{dates.slice(1).map((item) => <option key={item} value={item}>{day(item)}</option>)}</select></label>
        </div>
        {!chosen && <p role="alert">{t("compare.order")}</p>}
      </section>
      {chosen && <Waiting of={loaded}>{(found) => <Result project={project} found={found} from={from} to={to} />}</Waiting>}
    </>
  );
}

function Result({ project, found, from, to }: { project: Project; found: Comparison; from: string; to: string }) {
  const link = (item: Named) => <a href={`${href("projects", project.project_id, "gantt")}?activity=${encodeURIComponent(item.activity_id)}`}>{item.activity_name || item.activity_id}<small>{item.activity_id}</small></a>;
  const finish = Object.values(found.finish_days)[0];
  const slips = found.slips.filter((item) => item.days > 0), pulls = found.slips.filter((item) => item.days < 0);
  const [was, now] = [from, to].map((date) => project.trend.find((item) => item.data_date === date)?.p80);
  const changes = [...found.changes, ...found.planned_changes, ...found.baseline_changes];
  const moved: Column<Moved>[] = [
    { name: "name", label: t("activity"), sort: (item) => item.activity_name, cell: link },
    { name: "days", label: t("compare.days"), numeric: true, sort: (item) => item.days, cell: (item) => <span class={`slip ${item.days > 0 ? "bad" : "good"}`}>{signed(Math.round(item.days))}</span> },
    { name: "float", label: t("compare.float"), numeric: true, sort: (item) => item.float_consumed_hours, cell: (item) => number(item.float_consumed_hours / 8) },
    { name: "driver", label: t("compare.driver"), sort: (item) => item.driver.activity_name, cell: (item) => (item.driver.activity_id === item.activity_id ? t("compare.itself") : link(item.driver)) },
  ];
  const relation: Column<Relation & { kind: string }>[] = [
    { name: "kind", label: t("compare.kind"), sort: (item) => item.kind, cell: (item) => item.kind },
    { name: "predecessor", label: t("predecessor"), sort: (item) => item.predecessor.activity_id, cell: (item) => link(item.predecessor) },
    { name: "type", label: t("relation.type"), cell: (item) => item.type },
    { name: "lag", label: t("relation.lag"), numeric: true, cell: (item) => number(item.lag_hours / 8) },
    { name: "successor", label: t("successor"), sort: (item) => item.successor.activity_id, cell: (item) => link(item.successor) },
  ];
  const relations = [...found.added_relations.map((item) => ({ ...item, kind: t("compare.added") })), ...found.removed_relations.map((item) => ({ ...item, kind: t("compare.removed") }))];
  const activities = [...found.added.map((item) => ({ ...item, kind: t("compare.added") })), ...found.removed.map((item) => ({ ...item, kind: t("compare.removed") }))];
  return (
    <>
      <dl class="tiles">
        <Tile label={t("compare.finish")} value={<Slip days={finish === undefined ? null : Math.round(finish)} />} />
        <Tile label={t("completion.p80")} value={<Slip days={between(was, now)} />} note={was && now ? t("compare.between", { from: day(was), to: day(now) }) : undefined} />
        <Tile label={t("compare.slips")} value={number(slips.length)} note={t("compare.pulls", { n: pulls.length })} />
        <Tile label={t("compare.logic")} value={number(relations.length)} note={t("compare.edits", { n: changes.length })} />
        <Tile label={t("compare.scope")} value={`+${found.added.length} / −${found.removed.length}`} note={t("compare.baselines", { n: found.baseline_changes.length })} />
      </dl>
      <Learned learned={found.learned} />
      <Part title={t("compare.slipped")} count={found.slips.length}>
        <SortedTable caption={t("compare.slipped")} first="-days" keyOf={(item) => item.activity_id} rows={found.slips} columns={moved} />
      </Part>
      <Part title={t("compare.consumed")} count={found.consumed.length}>
        <SortedTable caption={t("compare.consumed")} first="-hours" keyOf={(item) => item.activity_id} rows={found.consumed} columns={[
          { name: "name", label: t("activity"), sort: (item) => item.activity_name, cell: link },
          { name: "hours", label: t("compare.float.others"), numeric: true, sort: (item) => item.hours, cell: (item) => number(item.hours / 8) },
        ]} />
      </Part>
      <Part title={t("compare.changes")} count={changes.length}>
        <SortedTable caption={t("compare.changes")} first="name" keyOf={(item) => `${item.activity_id} ${item.field}`} rows={changes} columns={[
          { name: "name", label: t("activity"), sort: (item) => item.activity_name, cell: link },
          { name: "field", label: t("compare.what"), sort: (item) => item.field, cell: (item) => word("field", item.field) },
          { name: "before", label: t("compare.before"), cell: (item) => item.before },
          { name: "after", label: t("compare.after"), cell: (item) => item.after },
        ]} />
      </Part>
      <Part title={t("compare.relations")} count={relations.length}>
        <SortedTable caption={t("compare.relations")} first="kind" keyOf={(item) => `${item.kind} ${item.predecessor.activity_id} ${item.successor.activity_id} ${item.type} ${item.lag_hours}`} rows={relations} columns={relation} />
      </Part>
      <Part title={t("compare.activities")} count={activities.length}>
        <SortedTable caption={t("compare.activities")} first="name" keyOf={(item) => item.activity_id} rows={activities} columns={[
          { name: "name", label: t("activity"), sort: (item) => item.activity_name, cell: link },
          { name: "kind", label: t("compare.kind"), sort: (item) => item.kind, cell: (item) => item.kind },
        ]} />
      </Part>
    </>
  );
}

// What the activities that finished between the updates say of the earlier forecast.
function Learned({ learned }: { learned: Comparison["learned"] }) {
  const { finished, late, expected_late, held, days, models: [was, now] } = learned;
  return (
    <section class="card">
      <h2>{t("learned.title")} <small>{number(finished)}</small></h2>
      {finished === 0 && <p class="muted">{t("learned.none")}</p>}
      {finished > 0 && (
        <>
          <p>{t("learned.late", { finished, late, expected: small(expected_late) })}</p>
          <table class="tight">
            <caption class="unseen">{t("learned.held")}</caption>
            <thead><tr><th scope="col">{t("learned.said")}</th><th scope="col" class="n">{t("learned.held")}</th></tr></thead>
            <tbody>{(["p50", "p80", "p90"] as const).map((level) => <tr key={level}><th scope="row">{level.toUpperCase()}</th><td class="n">{t("learned.of", { held: held[level], finished })}</td></tr>)}</tbody>
          </table>
          {days !== null && <p class="muted">{t("learned.days", { days: signed(Math.round(days)) })}</p>}
        </>
      )}
      <p class="muted">{was === now ? t("learned.same", { model: was ?? "–" }) : t("learned.models", { was: was ?? "–", now: now ?? "–" })}</p>
    </section>
  );
}

function Part({ title, count, children }: { title: string; count: number; children: preact.ComponentChildren }) {
  return <section class="card"><h2>{title} <small>{number(count)}</small></h2>{count ? children : <p class="muted">{t("compare.nothing")}</p>}</section>;
}
