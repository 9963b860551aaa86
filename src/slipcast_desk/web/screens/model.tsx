// The live model, and decisions on releases.
import { useEffect, useState } from "preact/hooks";
import { Problem, request } from "../api";
import { may } from "../auth";
import { useGet } from "../hooks";
import { day, number, t, word } from "../i18n";
import { Field, ProblemNote, Tile, Waiting } from "../parts";

interface Live { version?: string; model_id?: string; family?: string; algorithm?: string; trained_at?: string; threshold?: number; metrics?: Record<string, number>; [name: string]: unknown }

export function Model() {
  const live = useGet<Live>("model");
  useEffect(() => { document.title = `${t("nav.model")} · Slipcast`; }, []);
  return (
    <>
      <div class="title"><h1>{t("nav.model")}</h1><p class="muted">{t("model.lead")}</p></div>
      <Waiting of={live}>{(model) => <Card model={model} />}</Waiting>
      {may("approver") && <Decision />}
    </>
  );
}

const shown = (value: unknown): string =>
  typeof value === "number" ? number(value) : /^\d{4}-\d\d-\d\dT/.test(String(value)) ? day(String(value)) : String(value);

function Card({ model }: { model: Live }) {
  const plain = Object.entries(model).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return (
    <>
      <dl class="tiles">
        <Tile label={t("model.version")} value={String(model.version ?? "–")} />
        {(model.family ?? model.algorithm) && <Tile label={t("model.family")} value={word("family", String(model.family ?? model.algorithm))} />}
        {model.trained_at && <Tile label={t("model.trained")} value={day(model.trained_at)} />}
        {model.threshold != null && <Tile label={t("model.threshold")} value={number(model.threshold * 100) + " %"} />}
      </dl>
      <section class="card">
        <h2>{t("model.facts")}</h2>
        <dl class="facts">{plain.map(([name, value]) => <><dt key={name}>{name.replace(/_/g, " ")}</dt><dd>{shown(value)}</dd></>)}</dl>
      </section>
    </>
  );
}

interface Asked { execution?: string; status?: string; title?: string; detail?: string; [name: string]: unknown }
// The link of the mail opens one request: whoever has it may decide, here as on the page behind it.
function Decision() {
  const [link, setLink] = useState("");
  const [asked, setAsked] = useState<Asked | null>(null);
  const [name, setName] = useState("");
  const [comment, setComment] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [done, setDone] = useState<Asked | null>(null);
  const found = /approvals\/([^?/#]+)\?.*\bkey=([^&#]+)/.exec(link);
  const path = found ? `approvals/${found[1]}?key=${found[2]}` : null;
  const attempt = async (body?: unknown) => {
    setProblem(null);
    try {
      const answer = await request<Asked>(path!, body);
      if (body) setDone(answer);
      else setAsked(answer);
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(-1, String(error), null));
    }
  };
  const decide = (decision: "approve" | "reject") => attempt({ decision, name, comment, key: decodeURIComponent(found![2]!) });
  return (
    <section class="card">
      <h2>{t("approve.title")}</h2>
      <p class="muted">{t("approve.help")}</p>
      <Field label={t("approve.link")}><input type="url" value={link} onInput={(event) => { setLink(event.currentTarget.value); setAsked(null); setDone(null); }} /></Field>
      <button type="button" disabled={!path} onClick={() => attempt()}>{t("approve.open")}</button>
      {problem && <ProblemNote problem={problem} />}
      {asked && !done && (
        <>
          <dl class="facts">{Object.entries(asked).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value)).map(([key, value]) => <><dt key={key}>{key.replace(/_/g, " ")}</dt><dd>{shown(value)}</dd></>)}</dl>
          <Field label={t("approve.name")}><input type="text" required value={name} onInput={(event) => setName(event.currentTarget.value)} /></Field>
          <Field label={t("approve.comment")}><textarea value={comment} onInput={(event) => setComment(event.currentTarget.value)} /></Field>
          <p><button type="button" class="main" disabled={!name.trim()} onClick={() => decide("approve")}>{t("approve.yes")}</button> <button type="button" disabled={!name.trim()} onClick={() => decide("reject")}>{t("approve.no")}</button></p>
        </>
      )}
      {done && <p role="status"><strong>{String(done.title ?? word("outcome", String(done.status ?? "")))}</strong></p>}
    </section>
  );
}
