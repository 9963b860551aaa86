// Other dates, durations and relations, and what the forecast makes of them. Nothing is stored unless it is saved as a scenario.
import { useMemo, useState } from "preact/hooks";
import { may } from "../auth";
import { activities, Problem, request, segment, type Activity, type Completion, type Project } from "../api";
import { href, useGet, useLoaded } from "../hooks";
import { between, day, percent, t } from "../i18n";
import { Chance, Field, ProblemNote, SortedTable, Waiting } from "../parts";
import { Slip } from "./portfolio";

interface Pair<T> { before: T | null; after: T | null }
interface Answer {
  before: Completion; after: Completion;
  activities: { activity_id: string; late_probability: Pair<number>; p50: Pair<string>; p80: Pair<string> }[];
}
interface Asked {
  changes: { activity_id: string; start?: string; remaining_duration_days?: number }[];
  relations: Record<"add" | "remove", { predecessor_id: string; successor_id: string; type?: string; lag_days?: number }[]>;
}
interface Scenario { id: string; name: string; by: string; saved_at: string; data_date: string; question: Partial<Asked> }
interface Edit { activity_id: string; start: string; remaining: string }
interface Relation { kind: "add" | "remove"; predecessor_id: string; successor_id: string; type: string; lag: string }

export function WhatIf({ project }: { project: Project }) {
  const loaded = useLoaded((signal) => activities(project.project_id, signal), [project.project_id]);
  return <Waiting of={loaded}>{(all) => <Questions project={project} all={all} />}</Waiting>;
}

function Questions({ project, all }: { project: Project; all: Activity[] }) {
  const open = useMemo(() => all.filter((item) => item.status !== "complete"), [all]);
  const names = useMemo(() => new Map(all.map((item) => [item.activity_id, item])), [all]);
  const [edits, setEdits] = useState<Edit[]>([]);
  const [relations, setRelations] = useState<Relation[]>([]);
  const [picked, setPicked] = useState("");
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const known = (text: string) => open.find((item) => item.activity_id === text.split(" – ")[0]!.trim());

  const add = () => {
    const item = known(picked);
    if (!item || edits.some((edit) => edit.activity_id === item.activity_id)) return;
    setEdits([...edits, { activity_id: item.activity_id, start: "", remaining: "" }]);
    setPicked("");
  };
  const change = (place: number, part: Partial<Edit>) => setEdits(edits.map((edit, index) => (index === place ? { ...edit, ...part } : edit)));
  const relate = (place: number, part: Partial<Relation>) => setRelations(relations.map((item, index) => (index === place ? { ...item, ...part } : item)));
  const asked = (): Asked => {
    const id = (text: string) => text.split(" – ")[0]!.trim();
    const links = (kind: string) => relations.filter((item) => item.kind === kind && item.predecessor_id && item.successor_id).map((item) => ({
      predecessor_id: id(item.predecessor_id), successor_id: id(item.successor_id), type: item.type, lag_days: Number(item.lag || 0),
    }));
    return {
      changes: edits.filter((edit) => edit.start || edit.remaining).map((edit) => ({
        activity_id: edit.activity_id, ...(edit.start ? { start: edit.start } : {}), ...(edit.remaining ? { remaining_duration_days: Number(edit.remaining) } : {}),
      })),
      relations: { add: links("add"), remove: links("remove") },
    };
  };
  const compute = async (question: Partial<Asked>) => {
    setBusy(true);
    setProblem(null);
    try {
      setAnswer(await request<Answer>(`projects/${segment(project.project_id)}/what-if`, question));
    } catch (error) {
      setAnswer(null);
      setProblem(error instanceof Problem ? error : new Problem(-1, String(error), null));
    }
    setBusy(false);
  };
  const ask = (event: Event) => {
    event.preventDefault();
    void compute(asked());
  };
  const reopen = ({ question }: Scenario) => {
    // Of an earlier update: an activity may be finished by now, or gone. The API says so.
    setEdits((question.changes ?? []).filter((item) => names.has(item.activity_id)).map((item) => ({ activity_id: item.activity_id, start: item.start ?? "", remaining: item.remaining_duration_days == null ? "" : String(item.remaining_duration_days) })));
    setRelations((["add", "remove"] as const).flatMap((kind) => (question.relations?.[kind] ?? []).map((item) => ({ kind, predecessor_id: item.predecessor_id, successor_id: item.successor_id, type: item.type ?? "FS", lag: String(item.lag_days ?? 0) }))));
    void compute(question);
  };
  const nothing = edits.every((edit) => !edit.start && !edit.remaining) && relations.length === 0;
  const label = (id: string) => names.get(id)?.activity_name || id;
  return (
    <div class="grid">
      <form class="card" onSubmit={ask}>
        <h2>{t("whatif.title")}</h2>
        <p class="muted">{t("whatif.help")}</p>
        <datalist id="activities">{open.map((item) => <option key={item.activity_id} value={`${item.activity_id} – ${item.activity_name ?? ""}`} />)}</datalist>
        <div class="filters">
          <label class="search"><span class="unseen">{t("whatif.pick")}</span><input type="text" list="activities" placeholder={t("whatif.pick")} value={picked} onInput={(event) => setPicked(event.currentTarget.value)} /></label>
          <button type="button" disabled={!known(picked)} onClick={add}>{t("whatif.add")}</button>
          <button type="button" onClick={() => setRelations([...relations, { kind: "add", predecessor_id: "", successor_id: "", type: "FS", lag: "0" }])}>{t("whatif.relation")}</button>
        </div>
        {edits.map((edit, place) => {
          const item = names.get(edit.activity_id)!;
          return (
            <fieldset key={edit.activity_id}>
              <legend>{item.activity_name} <small>{t("bar.plan", { from: day(item.start), to: day(item.finish) })}</small></legend>
              {item.status !== "in_progress" && <Field label={t("whatif.start")}><input type="date" value={edit.start} onInput={(event) => change(place, { start: event.currentTarget.value })} /></Field>}
              <Field label={t("whatif.remaining")}><input type="number" min="0" max="3650" step="1" value={edit.remaining} placeholder={String((between(item.status === "in_progress" ? project.data_date : item.start, item.finish) ?? 0) + 1)} onInput={(event) => change(place, { remaining: event.currentTarget.value })} /></Field>
              <button type="button" class="plain" onClick={() => setEdits(edits.filter((_, index) => index !== place))}>{t("whatif.drop")}</button>
            </fieldset>
          );
        })}
        {relations.map((item, place) => (
          <fieldset key={place}>
            <legend>{t("whatif.relation.title")}</legend>
            <Field label={t("compare.kind")}><select value={item.kind} onChange={(event) => relate(place, { kind: event.currentTarget.value as Relation["kind"] })}><option value="add">{t("whatif.adds")}</option><option value="remove">{t("whatif.removes")}</option></select></Field>
            <Field label={t("predecessor")}><input type="text" list="activities" required value={item.predecessor_id} onInput={(event) => relate(place, { predecessor_id: event.currentTarget.value })} /></Field>
            <Field label={t("relation.type")}><select value={item.type} onChange={(event) => relate(place, { type: event.currentTarget.value })}>{["FS", "SS", "FF", "SF"].map((type) => <option key={type}>{type}</option>)}</select></Field>
            <Field label={t("relation.lag")}><input type="number" step="1" value={item.lag} onInput={(event) => relate(place, { lag: event.currentTarget.value })} /></Field>
            <Field label={t("successor")}><input type="text" list="activities" required value={item.successor_id} onInput={(event) => relate(place, { successor_id: event.currentTarget.value })} /></Field>
            <button type="button" class="plain" onClick={() => setRelations(relations.filter((_, index) => index !== place))}>{t("whatif.drop")}</button>
          </fieldset>
        ))}
        <button class="main" disabled={busy || nothing}>{busy ? t("whatif.busy") : t("whatif.ask")}</button>
        {problem && <ProblemNote problem={problem} />}
        <Scenarios project={project} asked={nothing ? null : asked} open={reopen} />
      </form>
      <section class="card" aria-live="polite">
        <h2>{t("whatif.result")}</h2>
        {!answer && <p class="muted">{t("whatif.empty")}</p>}
        {answer && (
          <>
            <table>
              <thead><tr><th scope="col">{t("whatif.completion")}</th><th scope="col">{t("whatif.before")}</th><th scope="col">{t("whatif.after")}</th><th scope="col" class="n">{t("whatif.moved")}</th></tr></thead>
              <tbody>
                {(["planned", "p50", "p80", "p90"] as const).map((level) => (
                  <tr key={level}><th scope="row">{level === "planned" ? t("completion.planned") : level.toUpperCase()}</th><td>{day(answer.before[level])}</td><td>{day(answer.after[level])}</td><td class="n">{answer.before[level] === answer.after[level] ? t("whatif.same") : <Slip days={between(answer.before[level], answer.after[level])} />}</td></tr>
                ))}
              </tbody>
            </table>
            <h3>{t("whatif.activities")}</h3>
            <SortedTable caption={t("whatif.activities")} first="-moved" keyOf={(item) => item.activity_id} rows={answer.activities} columns={[
              { name: "name", label: t("activity"), sort: (item) => label(item.activity_id), cell: (item) => <a href={`${href("projects", project.project_id, "gantt")}?activity=${encodeURIComponent(item.activity_id)}`}>{label(item.activity_id)}<small>{item.activity_id}</small></a> },
              { name: "late", label: t("late.short"), numeric: true, sort: (item) => (item.late_probability.after ?? 0) - (item.late_probability.before ?? 0), cell: (item) => <>{percent(item.late_probability.before)} → <Chance value={item.late_probability.after} /></> },
              { name: "p80", label: "P80", sort: (item) => item.p80.after, cell: (item) => <>{day(item.p80.after)}<small>{day(item.p80.before)}</small></> },
              { name: "moved", label: t("whatif.moved"), numeric: true, sort: (item) => between(item.p80.before, item.p80.after), cell: (item) => (item.p80.before === item.p80.after ? t("whatif.same") : <Slip days={between(item.p80.before, item.p80.after)} />) },
            ]} />
          </>
        )}
      </section>
    </div>
  );
}

// Questions that somebody saved. Opened, they are asked of the latest update.
function Scenarios({ project, asked, open }: { project: Project; asked: (() => Asked) | null; open: (scenario: Scenario) => void }) {
  const path = `projects/${segment(project.project_id)}/scenarios`;
  const list = useGet<{ scenarios: Scenario[] }>(path);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const attempt = async (work: () => Promise<unknown>) => {
    setProblem(null);
    try {
      await work();
      list.again();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(-1, String(error), null));
    }
  };
  const save = () => attempt(async () => {
    await request(path, { name, question: asked!() });
    setName("");
  });
  return (
    <section class="scenarios">
      <h3>{t("scenarios.title")}</h3>
      {may("planner") && (
        <div class="filters">
          <label class="search"><span class="unseen">{t("scenarios.name")}</span><input type="text" maxLength={100} placeholder={t("scenarios.name")} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
          <button type="button" disabled={!asked || !name.trim()} onClick={save}>{t("scenarios.save")}</button>
        </div>
      )}
      {problem && <ProblemNote problem={problem} />}
      <Waiting of={list}>
        {({ scenarios }) => (
          <ul class="links">
            {scenarios.map((item) => (
              <li key={item.id}>
                <span>{item.name} <small>{t("scenarios.by", { by: item.by, day: day(item.saved_at), data: day(item.data_date) })}</small></span>
                <span class="actions">
                  <button type="button" class="link" aria-label={`${t("scenarios.open")}: ${item.name}`} onClick={() => open(item)}>{t("scenarios.open")}</button>
                  {may("planner") && <button type="button" class="link" aria-label={`${t("scenarios.delete")}: ${item.name}`} onClick={() => attempt(() => request(`${path}/${segment(item.id)}`, undefined, undefined, "DELETE"))}>{t("scenarios.delete")}</button>}
                </span>
              </li>
            ))}
            {scenarios.length === 0 && <li class="muted">{t("scenarios.none")}</li>}
          </ul>
        )}
      </Waiting>
    </section>
  );
}
