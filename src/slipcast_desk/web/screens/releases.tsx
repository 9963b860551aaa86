// Releases that wait for a person. With a token or a signature an approver decides here; with an API key, which says of
// nobody who decides, by the link of the approval mail.
import { useState } from "preact/hooks";
import { Problem, request, segment } from "../api";
import { useGet } from "../hooks";
import { day, small, t, word } from "../i18n";
import { English, Field, ProblemNote, Waiting } from "../parts";

interface Figure { value: number; low: number | null; high: number | null }
interface Asked {
  execution: string; asked_at: string; expires_at: string; model_id: string;
  family: string; replaces: { version: string; model_id: string } | null; gate: string[]; dataset_id: string; data_date: string | null; reason: string;
  model_sha256: string; figures: { measure: string; challenger: Figure | null; champion: Figure | null }[]; report_url: string | null;
}
interface Closed { execution: string; status: string; decided_at: string | null; by: string | null; comment: string | null }
interface List { may_decide: boolean; waiting: Asked[]; decided: Closed[] }

export function Releases() {
  const list = useGet<List>("releases");
  return (
    <Waiting of={list}>
      {({ may_decide, waiting, decided }) => (waiting.length + decided.length === 0 ? null : (
        <section class="card" aria-live="polite">
          <h2>{t("releases.title")}</h2>
          {waiting.length === 0 && <p class="muted">{t("releases.none")}</p>}
          {waiting.map((item) => <Request key={item.execution} asked={item} here={may_decide} done={list.again} />)}
          {decided.length > 0 && (
            <details>
              <summary>{t("releases.decided", { n: decided.length })}</summary>
              <ul class="links">{decided.map((item) => <li key={item.execution}><span>{word("release", item.status)}{item.by && ` · ${item.by}`}{item.comment && `: ${item.comment}`}</span><small>{item.decided_at ? day(item.decided_at) : ""} {item.execution}</small></li>)}</ul>
            </details>
          )}
        </section>
      ))}
    </Waiting>
  );
}

const figure = (found: Figure | null): string => {
  if (!found) return "–";
  return found.low == null || found.high == null ? small(found.value) : t("figure.interval", { value: small(found.value), low: small(found.low), high: small(found.high) });
};

function Request({ asked, here, done }: { asked: Asked; here: boolean; done: () => void }) {
  const [comment, setComment] = useState("");
  const [link, setLink] = useState("");
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const key = /\bkey=([^&#\s]+)/.exec(link)?.[1];
  const ready = !busy && (here || (!!key && name.trim() !== ""));
  const decide = async (decision: "approve" | "reject") => {
    setBusy(true);
    setProblem(null);
    try {
      if (here) await request(`releases/${segment(asked.execution)}/decision`, { decision, comment });
      else await request(`approvals/${segment(asked.execution)}`, { decision, name, comment, key: decodeURIComponent(key!) });
      done();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(-1, String(error), null));
    }
    setBusy(false);
  };
  return (
    <article class="asked">
      <h3>{asked.model_id} <small>{t("releases.until", { day: day(asked.expires_at) })}</small></h3>
      <div class="scroll">
        <table>
          <thead><tr><th scope="col">{t("releases.measure")}</th><th scope="col">{t("releases.new")}</th><th scope="col">{t("releases.live")}</th></tr></thead>
          <tbody>{asked.figures.map((row) => <tr key={row.measure}><th scope="row">{word("measure", row.measure)}</th><td>{figure(row.challenger)}</td><td>{figure(row.champion)}</td></tr>)}</tbody>
        </table>
      </div>
      <dl class="facts">
        <dt>{t("fact.model")}</dt><dd>{word("family", asked.family)}, {asked.model_id} <small>SHA-256 {asked.model_sha256}</small></dd>
        <dt>{t("fact.replaces")}</dt><dd>{asked.replaces ? t("fact.replaces.model", { version: asked.replaces.version, model: asked.replaces.model_id }) : t("fact.replaces.nothing")}</dd>
        <dt>{t("fact.gate")}</dt><dd>{t("gate.passed")} <small><English text={asked.gate.join("; ")} /></small></dd>
        <dt>{t("fact.trained")}</dt><dd>{t("fact.dataset", { id: asked.dataset_id, day: day(asked.data_date) })}</dd>
        <dt>{t("fact.started")}</dt><dd>{word("reason", asked.reason)} <small>{asked.execution}</small></dd>
      </dl>
      {asked.report_url && <p><a href={asked.report_url} target="_blank" rel="noopener">{t("page.training")}</a></p>}
      {!here && <p class="muted">{t("approve.help")}</p>}
      {!here && <Field label={t("approve.link")}><input type="url" value={link} onInput={(event) => setLink(event.currentTarget.value)} /></Field>}
      {!here && <Field label={t("approve.name")}><input type="text" value={name} onInput={(event) => setName(event.currentTarget.value)} /></Field>}
      <Field label={t("approve.comment")}><textarea value={comment} maxLength={1000} onInput={(event) => setComment(event.currentTarget.value)} /></Field>
      {problem && <ProblemNote problem={problem} />}
      <p><button type="button" class="main" disabled={!ready} onClick={() => decide("approve")}>{t("approve.yes")}</button> <button type="button" disabled={!ready} onClick={() => decide("reject")}>{t("approve.no")}</button></p>
    </article>
  );
}
