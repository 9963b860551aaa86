// Pieces that several screens use.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Loaded } from "./hooks";
import { Problem } from "./api";
import { percent, t, type Key } from "./i18n";

export const LIMITS = [0.1, 0.25, 0.5, 0.75];
export const grade = (probability: number): number => LIMITS.filter((limit) => probability >= limit).length;

export function Chance({ value, late }: { value: number | null; late?: boolean }) {
  if (late) return <span class="chance late">{t("stage.already_late")}</span>;
  if (value == null) return <span class="muted">–</span>;
  return <span class={`chance g${grade(value)}`}>{percent(value)}</span>;
}

// A text of the API that is in English alone: a screen reader reads it as such.
export function English({ text }: { text: string }) {
  return <span lang="en">{text}</span>;
}

export function Tile({ label, value, note, tone }: { label: string; value: ComponentChildren; note?: ComponentChildren; tone?: string }) {
  return (
    <div class={`tile ${tone ?? ""}`}>
      <dt>{label}</dt>
      <dd>{value}{note && <small>{note}</small>}</dd>
    </div>
  );
}

export function ProblemNote({ problem, again }: { problem: Problem; again?: () => void }) {
  const known: Record<number, Key> = { 0: "problem.network", 401: "problem.expired", 403: "problem.forbidden", 404: "problem.missing", 429: "problem.busy" };
  const key = known[problem.status];
  return (
    <div class="problem" role="alert">
      <strong>{t(key ?? "problem.other")}</strong>
      {problem.detail && <p><English text={problem.detail} /></p>}
      {problem.requestId && <p class="muted">{t("problem.request", { id: problem.requestId })}</p>}
      {again && <button type="button" onClick={again}>{t("problem.again")}</button>}
    </div>
  );
}

export function Waiting<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  const [slow, setSlow] = useState(false);
  const pending = of.data === null && of.problem === null;
  useEffect(() => {
    setSlow(false);
    if (!pending) return;
    const timer = setTimeout(() => setSlow(true), 250);
    return () => clearTimeout(timer);
  }, [pending]);
  if (of.problem) return <ProblemNote problem={of.problem} again={of.again} />;
  if (of.data === null) return <div class="waiting" role="status">{slow ? t("waiting") : ""}</div>;
  return <>{children(of.data)}</>;
}

export function Icon({ name }: { name: keyof typeof SHAPES }) {
  return <svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d={SHAPES[name]} /></svg>;
}
const SHAPES = {
  down: "M5 7l5 6 5-6",
  right: "M7 5l6 5-6 5",
  close: "M5 5l10 10M15 5L5 15",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  up: "M10 15V4M5 9l5-5 5 5",
  fit: "M3 10h14M6 6l-4 4 4 4M14 6l4 4-4 4",
  search: "M9 3a6 6 0 1 0 0 12A6 6 0 0 0 9 3M13.5 13.5L18 18",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 1v2M10 17v2M1 10h2M17 10h2M3.6 3.6l1.5 1.5M14.9 14.9l1.5 1.5M3.6 16.4l1.5-1.5M14.9 5.1l1.5-1.5",
};

export interface Column<T> {
  name: string; label: string; cell: (row: T) => ComponentChildren; sort?: (row: T) => string | number | null; numeric?: boolean; wide?: boolean;
}
// A table that sorts by the header that is clicked.
// With `most` the rows after these are shown once they are asked for.
export function SortedTable<T>({ columns, rows, first, caption, keyOf, most = Infinity }: {
  columns: Column<T>[]; rows: T[]; first: string; caption: string; keyOf: (row: T) => string; most?: number;
}) {
  const [all, setAll] = useState(false);
  const [order, setOrder] = useState({ name: first.replace(/^-/, ""), down: first.startsWith("-") });
  const by = columns.find((column) => column.name === order.name)?.sort;
  const sorted = by ? [...rows].sort((one, other) => compared(by(one), by(other), order.down)) : rows;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const chosen = column.name === order.name;
              const state = chosen ? (order.down ? "descending" : "ascending") : undefined;
              return (
                <th key={column.name} scope="col" class={column.numeric ? "n" : ""} aria-sort={column.sort ? state ?? "none" : undefined}>
                  {column.sort
                    ? <button type="button" class="sort" onClick={() => setOrder({ name: column.name, down: chosen ? !order.down : !!column.numeric })}>
                        {column.label}<span aria-hidden="true">{chosen ? (order.down ? " ↓" : " ↑") : ""}</span>
                      </button>
                    : column.label}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, all ? undefined : most).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column, place) => place === 0
                ? <th key={column.name} scope="row">{column.cell(row)}</th>
                : <td key={column.name} class={column.numeric ? "n" : ""}>{column.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {!all && rows.length > most && <p><button type="button" onClick={() => setAll(true)}>{t("table.all", { n: rows.length })}</button></p>}
    </div>
  );
}
// What is unknown is last in either order.
function compared(one: string | number | null, other: string | number | null, down: boolean): number {
  if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1;
  const sign = typeof one === "string" ? one.localeCompare(String(other)) : one - Number(other);
  return down ? -sign : sign;
}

export function Field({ label, children }: { label: string; children: JSX.Element }) {
  return <label class="field"><span>{label}</span>{children}</label>;
}
