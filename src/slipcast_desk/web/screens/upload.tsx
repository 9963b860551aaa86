// A schedule straight into the bucket, and what the pipeline makes of it.
import { useEffect, useRef, useState } from "preact/hooks";
import { BASE, Problem, request, segment } from "../api";
import { may, signedIn } from "../auth";
import { number, percent, t, word, type Key } from "../i18n";
import { English, Icon, ProblemNote } from "../parts";
import { Wizard } from "./wizard";

interface Form { url: string; fields: Record<string, string>; key: string }
interface Step { name: string; status: string; started: string | null; ended: string | null }
interface Execution { status: string; steps: Step[]; intake_url: string | null; rejected_url?: string | null; corrections_url?: string | null; outcome: unknown }
type Phase = { at: "idle" } | { at: "sending"; share: number } | { at: "lost" } | { at: "waiting"; key: string } | { at: "running"; key: string; run: Execution } | { at: "failed"; problem: Problem };

const KEY = "slipcast.upload";
const ENDED = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];
const EVERY = 1500;
// Schedules of a tool need no profile.
const OF_A_TOOL = /\.(xer|xml|pmxml)$/i;

export function Upload() {
  const [file, setFile] = useState<File | null>(null);
  const [phase, setPhase] = useState<Phase>({ at: "idle" });
  const [over, setOver] = useState(false);
  const sending = useRef<XMLHttpRequest | null>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => { document.title = `${t("nav.upload")} · Slipcast`; }, []);

  // A page that is loaded again goes on watching.
  useEffect(() => {
    const key = sessionStorage.getItem(KEY);
    if (key) setPhase({ at: "waiting", key });
    return () => sending.current?.abort();
  }, []);
  const watched = phase.at === "waiting" || phase.at === "running" ? phase.key : null;
  useEffect(() => {
    if (!watched) return;
    const control = new AbortController();
    let timer = 0;
    const look = async () => {
      try {
        const found = await request<Execution>(`executions?key=${segment(watched)}`, undefined, control.signal);
        setPhase({ at: "running", key: watched, run: found });
        if (ENDED.includes(found.status.toUpperCase())) {
          sessionStorage.removeItem(KEY);
          return;
        }
      } catch (error) {
        if (control.signal.aborted || !signedIn()) return;
        // Not there yet, or a hole in the network: asked again. What is forbidden stays so.
        if (error instanceof Problem && ![0, 404, 429].includes(error.status) && error.status < 500) {
          setPhase({ at: "failed", problem: error });
          return;
        }
      }
      timer = window.setTimeout(look, EVERY);
    };
    void look();
    return () => { control.abort(); clearTimeout(timer); };
  }, [watched]);

  const choose = (chosen: File | null | undefined, source?: string) => {
    if (!chosen) return;
    setFile(chosen);
    void send(chosen, source);
  };
  // Into the folder of a profile, which then reads the file.
  const send = async (chosen: File, source?: string) => {
    setPhase({ at: "sending", share: 0 });
    try {
      const form = await request<Form>("uploads", { name: chosen.name, size: chosen.size, ...(source ? { source } : {}) });
      await post(form, chosen);
      sessionStorage.setItem(KEY, form.key);
      setPhase({ at: "waiting", key: form.key });
    } catch (error) {
      if (error instanceof Problem && error.status !== 0) setPhase({ at: "failed", problem: error });
      else setPhase({ at: "lost" });
    }
  };
  const post = ({ url, fields }: Form, chosen: File) => new Promise<void>((done, failed) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append("file", chosen);
    const sent = new XMLHttpRequest();
    sending.current = sent;
    sent.upload.onprogress = (event) => event.lengthComputable && setPhase({ at: "sending", share: event.loaded / event.total });
    sent.onerror = () => failed(new Problem(0, "", null));
    sent.onload = () => {
      if (sent.status >= 200 && sent.status < 300) return done();
      const message = /<Message>([^<]*)<\/Message>/.exec(sent.responseText)?.[1] ?? "";
      failed(new Problem(sent.status, message, sent.getResponseHeader("x-amz-request-id")));
    };
    sent.open("POST", new URL(url, BASE));
    sent.send(body);
  });
  const reset = () => {
    sessionStorage.removeItem(KEY);
    setFile(null);
    setPhase({ at: "idle" });
  };
  const busy = phase.at === "sending" || phase.at === "waiting" || (phase.at === "running" && !ENDED.includes(phase.run.status.toUpperCase()));
  return (
    <>
      <div class="title"><h1>{t("nav.upload")}</h1><p class="muted">{t("upload.lead")}</p></div>
      {!busy && phase.at !== "running" && (
        <div class={`card drop ${over ? "over" : ""}`}
          onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
          onDrop={(event) => { event.preventDefault(); setOver(false); choose(event.dataTransfer?.files[0]); }}>
          <Icon name="up" />
          <p><strong>{t("upload.drop")}</strong></p>
          <p class="muted">{t("upload.formats")}</p>
          <input ref={input} id="file" class="unseen" type="file" onChange={(event) => choose(event.currentTarget.files?.[0])} />
          <label for="file" class="button">{t("upload.choose")}</label>
        </div>
      )}
      {phase.at === "lost" && file && (
        <div class="problem" role="alert">
          <strong>{t("upload.lost")}</strong>
          <p>{t("upload.lost.help", { name: file.name })}</p>
          <button type="button" class="main" onClick={() => send(file)}>{t("upload.again")}</button>
        </div>
      )}
      {phase.at === "failed" && <ProblemNote problem={phase.problem} />}
      {phase.at === "sending" && (
        <section class="card" role="status">
          <h2>{t("upload.sending", { name: file?.name ?? "" })}</h2>
          <progress value={phase.share} max={1} aria-label={t("upload.sending", { name: file?.name ?? "" })} />
          <p class="muted">{percent(phase.share)}{file && ` · ${t("upload.size", { n: file.size / 1e6 })}`}</p>
        </section>
      )}
      {phase.at === "waiting" && <section class="card" role="status"><h2>{t("upload.waiting")}</h2><p class="muted">{phase.key}</p><progress aria-label={t("upload.waiting")} /></section>}
      {phase.at === "running" && <Run run={phase.run} upload={phase.key} again={reset} corrected={(chosen) => choose(chosen, folder(phase.key))} />}
      {phase.at === "running" && refused(phase.run) && may("planner") && !OF_A_TOOL.test(phase.key) && <Wizard upload={phase.key} saved={(profile) => (file ? void send(file, profile) : reset())} />}
    </>
  );
}

function Run({ run, upload, again, corrected }: { run: Execution; upload: string; again: () => void; corrected: (chosen: File | undefined) => void }) {
  const over = ENDED.includes(run.status.toUpperCase());
  const good = run.status.toUpperCase() === "SUCCEEDED" && !refused(run);
  const outcome = typeof run.outcome === "string" ? run.outcome : run.outcome && typeof run.outcome === "object" ? String((run.outcome as Record<string, unknown>).why ?? (run.outcome as Record<string, unknown>).outcome ?? "") : "";
  return (
    <>
      <section class="card" aria-live="polite">
        <h2>{over ? t(good ? "upload.done" : "upload.failed") : t("upload.running")}</h2>
        <p class="muted">{upload}</p>
        {outcome && <p class="sentence"><Outcome text={outcome} /></p>}
        <ol class="steps">
          {run.steps.map((step, place) => (
            <li key={`${step.name} ${place}`} class={step.status.toLowerCase()}>
              <span class="dot" aria-hidden="true" /><span>{word("state", step.name)}</span>
              <small>{t(`step.${state(step.status)}` as Key)}{step.started && step.ended && ` · ${t("seconds", { n: number((Date.parse(step.ended) - Date.parse(step.started)) / 1000) })}`}</small>
            </li>
          ))}
        </ol>
        {over && <p class="actions"><a class="button" href="#/">{t("upload.see")}</a> <button type="button" onClick={again}>{t("upload.another")}</button></p>}
      </section>
      {run.corrections_url && (
        <section class="card">
          <h2>{t("corrections.title")}</h2>
          <p>{t("corrections.help")}</p>
          <p class="actions">
            <a class="button main" href={run.corrections_url} target="_blank" rel="noopener">{t("corrections.get")}</a>
            {may("planner") && <><input id="corrected" class="unseen" type="file" onChange={(event) => corrected(event.currentTarget.files?.[0])} /><label for="corrected" class="button">{t("corrections.send")}</label></>}
          </p>
        </section>
      )}
      {run.intake_url && (
        <section class="card">
          <h2>{t("intake.title")}</h2>
          <p class="muted">{t("intake.help")} <a href={run.intake_url} target="_blank" rel="noopener">{t("intake.open")}</a></p>
          {run.rejected_url && <p><a class="button" href={run.rejected_url} target="_blank" rel="noopener">{t("intake.rejected")}</a> <small>{t("intake.rejected.help")}</small></p>}
          <iframe class="intake" title={t("intake.title")} src={run.intake_url} sandbox="allow-downloads" />
        </section>
      )}
    </>
  );
}
// A word for what came of it, or the reason, which names row and column of the file.
function Outcome({ text }: { text: string }) {
  const shown = word("outcome", text);
  return shown === text.replace(/_/g, " ") ? <English text={text} /> : <>{shown}</>;
}
// The folder that an upload went to names the profile that reads it.
const folder = (key: string): string | undefined => key.split("/").slice(1, -1).join("/") || undefined;
// A file that was not understood: the execution ended well and took nothing in.
const refused = (run: Execution): boolean =>
  ENDED.includes(run.status.toUpperCase()) && typeof run.outcome === "object" && (run.outcome as Record<string, unknown> | null)?.outcome === "refused";
const state = (status: string): "done" | "failed" | "running" | "waiting" => {
  const name = status.toUpperCase();
  return name.includes("SUCCE") || name === "DONE" ? "done" : name.includes("FAIL") || name.includes("ABORT") || name.includes("TIMED") ? "failed" : name.includes("RUN") || name.includes("START") ? "running" : "waiting";
};
