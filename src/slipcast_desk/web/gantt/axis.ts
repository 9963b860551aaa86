// Time scale of the chart: pixels and days, and the two lines of its header.
import { DAYS, moment, monthYear, number, shortMonth, t } from "../i18n";
import type { Activity } from "../api";

export interface Tick { at: number; to: number; label: string }
export const ZOOMS = [0.15, 0.3, 0.6, 1.2, 2.4, 5, 10, 20];

export function extent(activities: Activity[], dataDate: string): [number, number] {
  let low = moment(dataDate), high = low;
  for (const item of activities) {
    for (const value of [item.baseline_start, item.start, item.baseline_finish, item.finish, item.p10, item.p90]) {
      if (!value) continue;
      const at = moment(value);
      if (at < low) low = at;
      if (at > high) high = at;
    }
  }
  const pad = Math.max((high - low) * 0.02, 14 * DAYS);
  return [low - pad, high + pad];
}

const month = (at: number, step: number): number => {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), Math.floor(date.getUTCMonth() / step) * step, 1);
};
const nextMonth = (at: number, step: number): number => {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + step, 1);
};

function months(from: number, to: number, step: number, label: (at: number) => string): Tick[] {
  const found: Tick[] = [];
  for (let at = month(from, step); at < to; at = nextMonth(at, step)) found.push({ at, to: nextMonth(at, step), label: label(at) });
  return found;
}
function weeks(from: number, to: number): Tick[] {
  const found: Tick[] = [];
  // 1 January 1970 was a Thursday.
  for (let at = from - ((from / DAYS + 3) % 7) * DAYS; at < to; at += 7 * DAYS) found.push({ at, to: at + 7 * DAYS, label: String(new Date(at).getUTCDate()) });
  return found;
}
const year = (at: number): string => String(new Date(at).getUTCFullYear());
const quarter = (at: number): string => t("axis.quarter", { n: number(Math.floor(new Date(at).getUTCMonth() / 3) + 1) });

export function ticks(from: number, to: number, pixels: number): { major: Tick[]; minor: Tick[] } {
  if (pixels >= 4) return { major: months(from, to, 1, monthYear), minor: weeks(from, to) };
  if (pixels >= 1) return { major: months(from, to, 12, year), minor: months(from, to, 1, shortMonth) };
  if (pixels >= 0.3) return { major: months(from, to, 12, year), minor: months(from, to, 3, quarter) };
  return { major: months(from, to, 12, year), minor: months(from, to, 12, () => "") };
}
