// The Gantt chart: a tree grid whose rows exist only while they are in view.
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { Component } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Activity } from "../api";
import { between, day, DAYS, moment, percent, signed, t, word } from "../i18n";
import { Chance, grade, Icon } from "../parts";
import { extent, ticks, ZOOMS } from "./axis";
import { CRITICAL, NEAR, type Row } from "./tree";

export const HEIGHT = 34;
const HEAD = 46;

function useRows(count: number, box: { current: HTMLDivElement | null }) {
  const [, draw] = useState(0);
  const [virtual] = useState(() => new Virtualizer<HTMLDivElement, HTMLDivElement>({
    count, getScrollElement: () => box.current, estimateSize: () => HEIGHT, overscan: 12, scrollMargin: 0, paddingStart: HEAD,
    scrollPaddingStart: HEAD + HEIGHT, scrollPaddingEnd: HEIGHT, observeElementRect, observeElementOffset, scrollToFn: elementScroll,
    onChange: () => draw((turn) => turn + 1),
  }));
  virtual.setOptions({ ...virtual.options, count });
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  return virtual;
}

export function Gantt({ rows, activities, dataDate, selected, path, onSelect, onToggle }: {
  rows: Row[]; activities: Activity[]; dataDate: string; selected: string | null; path: ReadonlySet<string>;
  onSelect: (id: string) => void; onToggle: (key: string) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useRows(rows.length, box);
  const [from, to] = useMemo(() => extent(activities, dataDate), [activities, dataDate]);
  const [pixels, setPixels] = useState<number | null>(null);
  const [active, setActive] = useState(0);
  const room = useRef(0);
  const side = useRef(0);
  const anchor = useRef<number | null>(null);

  useLayoutEffect(() => {
    const measure = () => {
      side.current = parseFloat(getComputedStyle(box.current!).getPropertyValue("--side"));
      room.current = box.current!.clientWidth - side.current;
      setPixels((now) => now ?? first());
    };
    const seen = new ResizeObserver(measure);
    seen.observe(box.current!);
    measure();
    return () => seen.disconnect();
  }, []);
  const fit = () => Math.max(room.current, 200) / ((to - from) / DAYS);
  // What remains fills the width at first, with a little of what has been before it.
  const first = () => {
    const ahead = activities.filter((item) => item.status !== "complete").flatMap((item) => [item.p90, item.finish]).filter((item) => item != null).map(moment);
    const begin = moment(dataDate);
    const last = ahead.length ? Math.max(...ahead) : begin;
    const span = ((last - begin) * 1.5) / DAYS + 60;
    const wanted = Math.min(Math.max(room.current, 200) / span, ZOOMS.at(-1)!);
    if (wanted <= fit()) return fit();
    anchor.current = last + 25 * DAYS - (room.current / wanted / 2) * DAYS;
    return wanted;
  };
  const scale = pixels ?? 1;
  const x = (at: number) => ((at - from) / DAYS) * scale;
  const width = Math.max(Math.round(x(to)), 1);
  const head = useMemo(() => ticks(from, to, scale), [from, to, scale]);

  // Zoom around the middle of what is seen.
  const zoom = (wanted: number) => {
    anchor.current = from + ((box.current!.scrollLeft + room.current / 2) / scale) * DAYS;
    setPixels(wanted);
  };
  useLayoutEffect(() => {
    if (anchor.current === null || pixels === null) return;
    box.current!.scrollLeft = x(anchor.current) - room.current / 2;
    anchor.current = null;
  }, [pixels]);
  const closer = () => zoom(ZOOMS.find((step) => step > scale * 1.01) ?? ZOOMS.at(-1)!);
  const farther = () => zoom(Math.max(ZOOMS.findLast((step) => step < scale * 0.99) ?? ZOOMS[0]!, Math.min(fit(), ZOOMS[0]!)));

  useEffect(() => {
    if (active >= rows.length) setActive(Math.max(rows.length - 1, 0));
  }, [rows.length]);
  useEffect(() => {
    const place = selected ? rows.findIndex((row) => row.key === selected) : -1;
    if (place >= 0) {
      setActive(place);
      virtual.scrollToIndex(place, { align: "auto" });
    }
  }, [selected, rows]);

  const go = (place: number) => {
    const bounded = Math.min(Math.max(place, 0), rows.length - 1);
    setActive(bounded);
    virtual.scrollToIndex(bounded, { align: "auto" });
  };
  const keys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = rows[active];
    const page = Math.max(Math.floor((box.current!.clientHeight - HEAD) / HEIGHT) - 1, 1);
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(active + 1), ArrowUp: () => go(active - 1), PageDown: () => go(active + page), PageUp: () => go(active - page),
      Home: () => go(0), End: () => go(rows.length - 1), "+": closer, "-": farther,
      ArrowRight: () => (row?.kind === "group" && !row.open ? onToggle(row.key) : box.current!.scrollBy({ left: 80 })),
      ArrowLeft: () => (row?.kind === "group" && row.open ? onToggle(row.key) : box.current!.scrollBy({ left: -80 })),
      Enter: () => row && (row.kind === "group" ? onToggle(row.key) : onSelect(row.key)),
      " ": () => row && (row.kind === "group" ? onToggle(row.key) : onSelect(row.key)),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  };
  // Ctrl and the wheel zoom, as in the tools that planners use.
  useEffect(() => {
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      (event.deltaY < 0 ? closer : farther)();
    };
    box.current!.addEventListener("wheel", wheel, { passive: false });
    return () => box.current?.removeEventListener("wheel", wheel);
  });

  const now = x(moment(dataDate));
  return (
    <div class="gantt-frame">
      <div class="zoom" role="group" aria-label={t("gantt.zoom")}>
        <button type="button" onClick={farther} title={t("gantt.farther")} aria-label={t("gantt.farther")}><Icon name="minus" /></button>
        <button type="button" onClick={closer} title={t("gantt.closer")} aria-label={t("gantt.closer")}><Icon name="plus" /></button>
        <button type="button" onClick={() => setPixels(fit())} title={t("gantt.fit")} aria-label={t("gantt.fit")}><Icon name="fit" /></button>
      </div>
      <div class="gantt" ref={box} role="treegrid" tabIndex={0} aria-label={t("gantt.label")} aria-rowcount={rows.length + 1} aria-colcount={5}
        aria-activedescendant={rows.length ? `row-${active}` : undefined} aria-readonly="true" onKeyDown={keys}>
        <div class="inner" role="rowgroup" style={{ width: `calc(var(--side) + ${width}px)`, height: `${virtual.getTotalSize()}px` }}>
          <div class="head" role="row" aria-rowindex={1}>
            <div class="side" role="presentation">
              <span class="c-name" role="columnheader">{t("activity")}</span>
              <span class="c-chance" role="columnheader">{t("late.short")}</span>
              <span class="c-date" role="columnheader">P80</span>
              <span class="c-days" role="columnheader">{t("against.baseline.short")}</span>
            </div>
            <div class="axis" role="columnheader" aria-label={t("gantt.time")} style={{ width: `${width}px` }}>
              {head.major.map((tick) => <span key={tick.at} class="major" style={{ left: `${x(tick.at)}px`, width: `${x(tick.to) - x(tick.at)}px` }}><b>{tick.label}</b></span>)}
              {head.minor.map((tick) => <span key={tick.at} class="minor" style={{ left: `${x(tick.at)}px`, width: `${x(tick.to) - x(tick.at)}px` }}>{x(tick.to) - x(tick.at) > 16 ? tick.label : ""}</span>)}
              <span class="now" style={{ left: `${now}px` }}>{t("data.date")}</span>
            </div>
          </div>
          <div class="lines" aria-hidden="true">
            {head.minor.map((tick) => <i key={tick.at} style={{ left: `${x(tick.at)}px` }} />)}
            <i class="now" style={{ left: `${now}px` }} />
          </div>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            return row && (
              <Line key={row.key} row={row} place={item.index} top={item.start} from={from} scale={scale} active={item.index === active}
                selected={row.key === selected} onPath={path.has(row.key)} onSelect={onSelect} onToggle={onToggle} />
            );
          })}
        </div>
      </div>
      {rows.length === 0 && <p class="empty">{t("gantt.empty")}</p>}
    </div>
  );
}

interface LineProps {
  row: Row; place: number; top: number; from: number; scale: number; active: boolean; selected: boolean; onPath: boolean;
  onSelect: (id: string) => void; onToggle: (key: string) => void;
}
// Drawn again only if something of it changed: a scroll adds rows and leaves the others alone.
class Line extends Component<LineProps> {
  override shouldComponentUpdate(next: LineProps) {
    return (Object.keys(next) as (keyof LineProps)[]).some((name) => !name.startsWith("on") && next[name] !== this.props[name]) || next.onPath !== this.props.onPath;
  }

  override render({ row, place, top, from, scale, active, selected, onPath, onSelect, onToggle }: LineProps) {
    const x = (iso: string | number) => (((typeof iso === "number" ? iso : moment(iso)) - from) / DAYS) * scale;
    const style = { transform: `translateY(${top}px)`, "--depth": row.depth };
    const shared = { id: `row-${place}`, role: "row" as const, "aria-rowindex": place + 2, "aria-level": row.depth + 1, style };
    if (row.kind === "group") {
      return (
        <div {...shared} class={`line group ${active ? "active" : ""}`} aria-expanded={row.open} onClick={() => onToggle(row.key)}>
          <div class="side" role="presentation">
            <span class="c-name" role="gridcell"><Icon name={row.open ? "down" : "right"} /><b>{row.label}</b> <small>{row.count}</small></span>
            <span class="c-chance" role="gridcell">{row.atRisk > 0 ? <span class="risk">{t("at.risk.count", { n: row.atRisk })}</span> : ""}</span>
            <span class="c-date" role="gridcell">{row.latest ? day(row.latest) : ""}</span>
            <span class="c-days" role="gridcell" />
          </div>
          <div class="time" role="gridcell" aria-label={row.from && row.to ? t("gantt.group", { from: day(row.from), to: day(row.to) }) : undefined}>
            {row.from != null && row.to != null && <i class="span" style={{ left: `${x(row.from)}px`, width: `${Math.max(x(row.to + DAYS) - x(row.from), 3)}px` }} />}
            {row.to != null && row.latest != null && row.latest > row.to && <i class="span over" style={{ left: `${x(row.to + DAYS)}px`, width: `${x(row.latest) - x(row.to)}px` }} />}
          </div>
        </div>
      );
    }
    const item = row.activity;
    const done = item.status === "complete";
    const late = item.stage === "already_late";
    const against = between(item.baseline_finish, done ? item.finish : item.p80);
    const tone = done ? "done" : late ? "late" : item.late_probability == null ? "unknown" : `g${grade(item.late_probability)}`;
    const critical = (item.criticality ?? 0) >= CRITICAL ? "critical" : (item.criticality ?? 0) >= NEAR ? "near" : "";
    const bar = (start: string, finish: string) => ({ left: `${x(start)}px`, width: `${Math.max(x(finish) + scale - x(start), 3)}px` });
    return (
      <div {...shared} class={`line ${active ? "active" : ""} ${selected ? "selected" : ""} ${onPath ? "driving" : ""}`} aria-selected={selected} onClick={() => onSelect(item.activity_id)}>
        <div class="side" role="presentation">
          <span class="c-name" role="gridcell"><em>{item.activity_id}</em> {item.activity_name}</span>
          <span class="c-chance" role="gridcell">{done ? <span class="muted">{t("stage.complete")}</span> : <Chance value={item.late_probability} late={late} />}</span>
          <span class="c-date" role="gridcell">{day(done ? item.finish : item.p80)}</span>
          <span class={`c-days ${against != null && against > 0 ? "bad" : ""}`} role="gridcell">{against == null ? "" : signed(against)}</span>
        </div>
        <div class="time" role="gridcell" aria-label={described(item)} title={described(item)}>
          {item.baseline_start && item.baseline_finish && !item.is_milestone && <i class="baseline" style={bar(item.baseline_start, item.baseline_finish)} />}
          {item.is_milestone
            ? <>
                {item.p10 && item.p90 && !done && <i class={`range ${tone}`} style={bar(item.p10, item.p90)} />}
                {(item.finish ?? item.start) && <i class={`diamond ${tone} ${critical}`} style={{ left: `${x((item.finish ?? item.start)!) + scale / 2}px` }} />}
                {item.baseline_finish && <i class="diamond base" style={{ left: `${x(item.baseline_finish) + scale / 2}px` }} />}
              </>
            : <>
                {item.start && item.finish && <i class={`plan ${tone} ${critical}`} style={bar(item.start, item.finish)} />}
                {item.p10 && item.p90 && !done && <i class={`range ${tone}`} style={bar(item.p10, item.p90)} />}
              </>}
          {item.p50 && !done && <i class="p50" style={{ left: `${x(item.p50) + scale / 2}px` }} />}
          {item.p80 && !done && <i class="p80" style={{ left: `${x(item.p80) + scale / 2}px` }} />}
        </div>
      </div>
    );
  }
}

export function described(item: Activity): string {
  const parts = [word("stage", item.stage)];
  if (item.start && item.finish) parts.push(t("bar.plan", { from: day(item.start), to: day(item.finish) }));
  if (item.baseline_finish) parts.push(t("bar.baseline", { to: day(item.baseline_finish) }));
  if (item.status !== "complete" && item.p50) parts.push(t("bar.forecast", { p10: day(item.p10), p50: day(item.p50), p80: day(item.p80), p90: day(item.p90) }));
  if (item.status !== "complete" && item.late_probability != null) parts.push(t("bar.late", { share: percent(item.late_probability) }));
  if (item.criticality) parts.push(t("bar.critical", { share: percent(item.criticality) }));
  return parts.filter(Boolean).join(". ");
}
