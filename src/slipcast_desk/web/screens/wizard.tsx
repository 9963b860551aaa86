// A profile for a table that none reads: a draft with its confidence and a preview, to be looked at, changed and saved.
import { useState } from "preact/hooks";
import { Problem, request } from "../api";
import { percent, t } from "../i18n";
import { English, Field, ProblemNote } from "../parts";

interface Guess { column: string; headers: string[]; confidence: number; why: string; examples: string[] }
interface Draft { text: string; guesses: Guess[]; not_used: string[]; notes: string[]; preview: Record<string, string>[]; counts: Record<string, number> }

// A name as profiles have it, from that of the file without its date.
const named = (file: string): string => file.replace(/\.[^.]*$/, "").replace(/[-_ ]*\d{4}-?\d\d-?\d\d.*$/, "").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 60) || "mine";
// Below this somebody has to look.
const DOUBTFUL = 0.6;

export function Wizard({ upload, saved }: { upload: string; saved: (profile: string) => void }) {
  const [name, setName] = useState(named(upload.split("/").at(-1)!));
  const [draft, setDraft] = useState<Draft | null>(null);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(-1, String(error), null));
    }
    setBusy(false);
  };
  const suggest = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      const found = await request<Draft>("profiles/suggestions", { key: upload, profile: name });
      setDraft(found);
      setText(found.text);
    });
  };
  const save = () => attempt(async () => {
    await request("profiles", { profile: name, text });
    saved(name);
  });
  const columns = Object.keys(draft?.preview[0] ?? {});
  return (
    <section class="card">
      <h2>{t("wizard.title")}</h2>
      <p class="muted">{t("wizard.help")}</p>
      <form class="filters" onSubmit={suggest}>
        <Field label={t("wizard.name")}><input type="text" required pattern="[a-z0-9][a-z0-9_\-]{0,59}" value={name} onInput={(event) => { setName(event.currentTarget.value); setDraft(null); }} /></Field>
        <button class={draft ? "" : "main"} disabled={busy || !name}>{busy && !draft ? t("whatif.busy") : t("wizard.suggest")}</button>
      </form>
      {problem && <ProblemNote problem={problem} />}
      {draft && (
        <>
          <div class="scroll" tabIndex={0} role="region" aria-label={t("wizard.guesses")}>
            <table>
              <caption class="unseen">{t("wizard.guesses")}</caption>
              <thead><tr><th scope="col">{t("wizard.column")}</th><th scope="col">{t("wizard.header")}</th><th scope="col" class="n">{t("wizard.sure")}</th><th scope="col">{t("wizard.examples")}</th></tr></thead>
              <tbody>
                {draft.guesses.map((guess) => (
                  <tr key={guess.column}><th scope="row"><English text={guess.column.replace(/_/g, " ")} /></th><td>{guess.headers.join(", ")}<small><English text={guess.why} /></small></td><td class="n"><span class={`state ${guess.confidence < DOUBTFUL ? "warn" : "good"}`}>{percent(guess.confidence)}</span></td><td>{guess.examples.join(" · ")}</td></tr>
                ))}
              </tbody>
            </table>
          </div>
          {draft.not_used.length > 0 && <p class="muted">{t("wizard.unused", { names: draft.not_used.join(", ") })}</p>}
          {draft.notes.map((note) => <p key={note}><English text={note} /></p>)}
          {columns.length > 0 && (
            <>
              <h3>{t("wizard.preview", { accepted: draft.counts.accepted ?? 0, read: draft.counts.read ?? 0 })}</h3>
              <div class="scroll" tabIndex={0} role="region" aria-label={t("wizard.rows")}>
                <table>
                  <caption class="unseen">{t("wizard.rows")}</caption>
                  <thead><tr>{columns.map((column) => <th key={column} scope="col"><English text={column.replace(/_/g, " ")} /></th>)}</tr></thead>
                  <tbody>{draft.preview.map((row, place) => <tr key={place}>{columns.map((column) => <td key={column}>{row[column]}</td>)}</tr>)}</tbody>
                </table>
              </div>
            </>
          )}
          <Field label={t("wizard.text")}><textarea class="code" rows={16} spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} /></Field>
          <p><button type="button" class="main" disabled={busy} onClick={save}>{t("wizard.save")}</button></p>
        </>
      )}
    </section>
  );
}
