// What is known of one activity.
import { useEffect, useRef } from "preact/hooks";
import { segment, type Detail, type Link, type Project, type Reason } from "../api";
import { Distribution, Trend } from "../charts";
import { href, useGet } from "../hooks";
import { between, day, feature, featureValue, number, percent, small, span, t, word } from "../i18n";
import { Chance, Icon, Waiting } from "../parts";

export function Panel({ project, id, close, select }: { project: Project; id: string; close: () => void; select: (id: string) => void }) {
  const detail = useGet<Detail>(`projects/${segment(project.project_id)}/activities/${segment(id)}`);
  const title = useRef<HTMLHeadingElement>(null);
  const opener = useRef<Element | null>(null);
  useEffect(() => {
    opener.current ??= document.activeElement;
    title.current?.focus({ preventScroll: true });
  }, [id, detail.data !== null]);
  const leave = () => {
    close();
    if (opener.current instanceof HTMLElement) opener.current.focus();
  };
  return (
    <aside class="panel" aria-label={t("panel.label")} onKeyDown={(event) => event.key === "Escape" && leave()}>
      <button type="button" class="plain close" aria-label={t("close")} title={t("close")} onClick={leave}><Icon name="close" /></button>
      <Waiting of={detail}>
        {(item) => (
          <>
            <p class="muted">{item.activity_id}{item.wbs && ` · ${item.wbs}`}</p>
            <h2 ref={title} tabIndex={-1}>{item.activity_name || item.activity_id}</h2>
            <p class="tags">{[item.phase, item.location].filter(Boolean).map((tag) => <span key={tag}>{tag}</span>)}<span>{word("stage", item.stage)}</span></p>
            <p class="sentence">{sentence(item)}</p>
            <dl class="facts">
              {item.status !== "complete" && <><dt>{t("late.probability")}</dt><dd><Chance value={item.late_probability} late={item.stage === "already_late"} /></dd></>}
              <dt>{t("baseline")}</dt><dd>{day(item.baseline_start)} – {day(item.baseline_finish)}</dd>
              <dt>{t("plan")}</dt><dd>{day(item.start)} – {day(item.finish)}</dd>
              {item.status !== "complete" && <><dt>P10 / P50</dt><dd>{day(item.p10)} / {day(item.p50)}</dd><dt>P80 / P90</dt><dd>{day(item.p80)} / {day(item.p90)}</dd></>}
              {item.total_float_days != null && <><dt>{t("float")}</dt><dd>{t("days", { n: item.total_float_days })}</dd></>}
              {item.criticality != null && <><dt>{t("criticality")}</dt><dd>{percent(item.criticality)}</dd></>}
            </dl>
            {item.distribution.length > 1 && (
              <section>
                <h3>{t("distribution.title")}</h3>
                <Distribution label={t("distribution.title")} points={item.distribution} marks={[
                  { at: item.baseline_finish, name: t("baseline"), class: "base" }, { at: item.finish, name: t("plan"), class: "plan" }, { at: item.p80, name: "P80", class: "p80" },
                ]} />
              </section>
            )}
            {item.reasons.length > 0 && <section><h3>{t("reasons.title")}</h3><Reasons reasons={item.reasons} /></section>}
            {item.history.length > 1 && (
              <section>
                <h3>{t("history.title")}</h3>
                <Trend label={t("history.title")} baseline={item.baseline_finish} series={(["p50", "p80"] as const).map((level) => ({
                  name: level.toUpperCase(), class: level, points: item.history.filter((point) => point[level]).map((point) => ({ at: point.data_date, value: point[level]! })),
                }))} />
              </section>
            )}
            <Links title={t("predecessors")} links={item.predecessors} select={select} />
            <Links title={t("successors")} links={item.successors} select={select} />
            <section>
              <h3>{t("lineage.title")}</h3>
              <p><a href={`${href("projects", project.project_id, "lineage")}?activity=${segment(item.activity_id)}`}>{t("lineage.open")}</a></p>
            </section>
          </>
        )}
      </Waiting>
    </aside>
  );
}

function sentence(item: Detail): string {
  if (item.status === "complete") {
    const late = between(item.baseline_finish, item.finish);
    return t("sentence.complete", { day: day(item.finish), late: span(late) });
  }
  if (item.stage === "already_late") return t("sentence.late", { n: item.days_late ?? between(item.baseline_finish, item.p50) ?? 0, day: day(item.p80) });
  if (!item.p80) return t("sentence.none");
  return t("sentence.open", { day: day(item.p80), late: span(between(item.baseline_finish, item.p80)), share: percent(item.late_probability) });
}

function Reasons({ reasons }: { reasons: Reason[] }) {
  const most = Math.max(...reasons.map((item) => Math.abs(item.effect)), 0.001);
  return (
    <ul class="reasons">
      {reasons.map((item) => (
        <li key={item.feature} class={item.effect > 0 ? "up" : "down"}>
          <span>{feature(item.feature, item.name)}{item.value != null && item.value !== "" && <> <b>{shown(item.feature, item.value)}</b></>}</span>
          <span class="bar" aria-hidden="true"><i style={{ width: `${(Math.abs(item.effect) / most) * 100}%` }} /></span>
          <small>{t(item.effect > 0 ? "reason.raises" : "reason.lowers", { points: number(Math.abs(item.effect) * 100) })}</small>
        </li>
      ))}
    </ul>
  );
}
const shown = (code: string, value: unknown): string => {
  const text = String(value);
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return day(text);
  if (!/^-?\d+(\.\d+)?$/.test(text)) return featureValue(code, text);
  return Math.abs(Number(text)) < 1 ? small(Number(text)) : number(Number(text));
};

function Links({ title, links, select }: { title: string; links: Link[]; select: (id: string) => void }) {
  if (links.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul class="links">
        {links.map((item) => (
          <li key={item.activity_id + (item.type ?? "")}>
            <button type="button" class="link" onClick={() => select(item.activity_id)}>{item.name || item.activity_id}</button>
            <small>{item.activity_id} {item.type} {item.lag_days ? t("lag", { n: item.lag_days }) : ""}</small>
          </li>
        ))}
      </ul>
    </section>
  );
}
