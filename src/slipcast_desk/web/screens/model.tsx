// The live model: what it said against what happened, drift, trainings, and releases that wait for a decision.
import { useEffect } from "preact/hooks";
import { Calibration, type Judged } from "../charts";
import { useGet } from "../hooks";
import { day, feature, percent, small, t, word, type Key } from "../i18n";
import { English, SortedTable, Tile, Waiting } from "../parts";
import { Releases } from "./releases";

interface Level { level: number; held: number; judged?: number | null; low?: number | null; high?: number | null }
interface Feature { name: string; psi: number | null; psi_limit: number | null; drifted: boolean | null; confirmed: boolean | null }
interface Training { at: string; execution: string | null; reason: string | null; outcome: string | null; version: string | null; detail: string | null; report_url: string | null }
interface State {
  live: { version: string; model_id: string; trained_at: string; execution: string } | null;
  evaluation: {
    family: string | null; data_date: string | null; rows: number | null; brier: number | null; prior_brier: number | null; auc: number | null;
    reliability: { mean_score: number; late_rate: number; late_rate_ci: [number, number]; n: number }[]; backtest: Level[]; reasons: string[];
  } | null;
  monitor: {
    at: string; conclusion: string; findings: { code: string; values: Record<string, string | number | null> }[]; n: number | null;
    drift: { state: string | null; max_psi: number | null; features: Feature[] };
    realised: { state: string | null; n: number | null; late_rate: number | null; mean_score: number | null };
  } | null;
  scoreboard: Level[]; trainings: Training[]; pages: Record<"training" | "monitoring" | "scoreboard", string | null>;
}

export function Model() {
  const state = useGet<State>("monitoring");
  useEffect(() => { document.title = `${t("nav.model")} · Slipcast`; }, []);
  return (
    <>
      <div class="title"><h1>{t("nav.model")}</h1><p class="muted">{t("model.lead")}</p></div>
      <Releases />
      <Waiting of={state}>{(found) => <Live state={found} />}</Waiting>
    </>
  );
}

const TONES: Record<string, string> = { healthy: "good", ok: "good", drift: "warn", miscalibrated: "bad", degraded: "bad" };
const PAGES = ["training", "monitoring", "scoreboard"] as const;

function Live({ state }: { state: State }) {
  const { live, evaluation, monitor, scoreboard, trainings, pages } = state;
  if (!live) return <section class="card"><h2>{t("model.none")}</h2><p class="muted">{t("model.none.help")}</p></section>;
  const p80 = scoreboard.find((item) => item.level === 0.8);
  const linked = PAGES.filter((name) => pages[name]);
  return (
    <>
      <dl class="tiles">
        <Tile label={t("model.version")} value={live.version} note={live.model_id} />
        {evaluation?.family && <Tile label={t("model.family")} value={word("family", evaluation.family)} note={evaluation.rows == null ? undefined : t("model.holdout", { n: evaluation.rows })} />}
        {live.trained_at && <Tile label={t("model.trained")} value={day(live.trained_at)} note={evaluation?.data_date ? t("as.of", { day: day(evaluation.data_date) }) : undefined} />}
        {monitor && <Tile label={t("model.monitor")} value={<span class={`state ${TONES[monitor.conclusion] ?? ""}`}>{word("conclusion", monitor.conclusion)}</span>} note={t("as.of", { day: day(monitor.at) })} />}
        {p80 && <Tile label={t("model.p80")} value={percent(p80.held)} note={t("model.judged", { n: p80.judged ?? 0 })} />}
      </dl>
      {linked.length > 0 && <ul class="pages">{linked.map((name) => <li key={name}><a class="button" href={pages[name]!} target="_blank" rel="noopener">{t(`page.${name}`)}</a></li>)}</ul>}
      <div class="grid">
        <section class="card">
          <h2>{t("calibration.title")}</h2>
          <p class="muted">{t("calibration.help")}</p>
          {evaluation && <Calibration label={t("calibration.title")} series={judged(state)} />}
        </section>
        <section class="card">
          <h2>{t("drift.title")}</h2>
          {!monitor && <p class="muted">{t("drift.none")}</p>}
          {monitor && <Drift monitor={monitor} />}
        </section>
        <section class="card wide">
          <h2>{t("trainings.title")}</h2>
          {trainings.length === 0 && <p class="muted">{t("trainings.none")}</p>}
          {trainings.length > 0 && (
            <SortedTable caption={t("trainings.title")} first="-at" keyOf={(item) => item.at + item.execution} rows={trainings} columns={[
              { name: "at", label: t("trainings.at"), sort: (item) => item.at, cell: (item) => <>{day(item.at)}<small>{item.execution}</small></> },
              { name: "reason", label: t("trainings.reason"), cell: (item) => word("reason", item.reason) },
              { name: "outcome", label: t("trainings.outcome"), cell: (item) => <>{word("outcome", item.outcome)}{item.version && ` · ${t("model.version.n", { n: item.version })}`}{item.detail && <small><English text={item.detail} /></small>}</> },
              { name: "report", label: t("page.training"), cell: (item) => (item.report_url ? <a href={item.report_url} target="_blank" rel="noopener">{t("trainings.open")}</a> : "–") },
            ]} />
          )}
        </section>
      </div>
    </>
  );
}

function judged({ evaluation, scoreboard }: State): Judged[] {
  return [
    { name: t("calibration.late"), class: "late", points: evaluation!.reliability.map((bin) => ({ said: bin.mean_score, held: bin.late_rate, low: bin.late_rate_ci[0], high: bin.late_rate_ci[1], n: bin.n })) },
    { name: t("calibration.backtest"), class: "backtest", points: evaluation!.backtest.map((item) => ({ said: item.level, held: item.held })) },
    { name: t("calibration.given"), class: "given", points: scoreboard.map((item) => ({ said: item.level, held: item.held, low: item.low, high: item.high, n: item.judged })) },
  ].filter((item) => item.points.length > 0);
}

const RATES = ["gap", "late", "expected"];
function finding(code: string, values: Record<string, string | number | null>): string {
  const shown = Object.entries(values).map(([name, value]) => [
    name, name === "feature" ? feature(String(value)) : typeof value !== "number" ? String(value ?? "–") : RATES.includes(name) ? percent(value) : Number.isInteger(value) ? value : small(value),
  ]);
  return t(`finding.${code}` as Key, Object.fromEntries(shown));
}

function Drift({ monitor }: { monitor: NonNullable<State["monitor"]> }) {
  const { drift, realised } = monitor;
  return (
    <>
      <p><span class={`state ${TONES[drift.state ?? ""] ?? ""}`}>{word("drift", drift.state)}</span> {monitor.n != null && <small>{t("drift.n", { n: monitor.n })}</small>}</p>
      {realised.late_rate != null && realised.mean_score != null && <p>{t("drift.realised", { n: realised.n ?? 0, late: percent(realised.late_rate), said: percent(realised.mean_score) })}</p>}
      {monitor.findings.map((item) => <p key={JSON.stringify(item)}>{finding(item.code, item.values)}</p>)}
      {drift.features.length > 0 && (
        <SortedTable caption={t("drift.title")} first="-psi" keyOf={(item) => item.name} rows={drift.features} columns={[
          { name: "name", label: t("drift.feature"), sort: (item) => item.name, cell: (item) => <>{feature(item.name)}{item.drifted && <small class="state bad">{t(item.confirmed ? "drift.confirmed" : "drift.once")}</small>}</> },
          { name: "psi", label: t("drift.psi"), numeric: true, sort: (item) => item.psi, cell: (item) => (item.psi == null ? "–" : small(item.psi)) },
          { name: "limit", label: t("drift.limit"), numeric: true, cell: (item) => (item.psi_limit == null ? "–" : small(item.psi_limit)) },
        ]} />
      )}
    </>
  );
}
