// Rows of the chart: activities below their groups, of which some are closed.
import type { Activity } from "../api";
import { moment, t } from "../i18n";

export type Grouping = "phase" | "wbs" | "location" | "none";
// Parts of a path in the work breakdown structure.
const SEPARATOR = " > ";

export interface Group {
  kind: "group"; key: string; label: string; depth: number; count: number; done: number; atRisk: number; late: number;
  from: number | null; to: number | null; latest: number | null; open: boolean;
}
export interface Leaf { kind: "activity"; key: string; depth: number; activity: Activity }
export type Row = Group | Leaf;

export interface Filter { text: string; atRisk: boolean; critical: boolean; open: boolean }

// Share of the draws from which an activity counts as critical, and as nearly so.
export const CRITICAL = 0.5, NEAR = 0.1;

export function matching(activities: Activity[], filter: Filter): Activity[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return activities.filter((item) => {
    if (filter.atRisk && !item.at_risk) return false;
    if (filter.critical && (item.criticality ?? 0) < NEAR) return false;
    if (filter.open && item.status === "complete") return false;
    if (words.length === 0) return true;
    const text = `${item.activity_id} ${item.activity_name ?? ""} ${item.phase ?? ""} ${item.location ?? ""} ${item.wbs ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

const first = (item: Activity): string => item.start ?? item.baseline_start ?? item.finish ?? item.baseline_finish ?? "9999";

export function rows(activities: Activity[], by: Grouping, closed: ReadonlySet<string>): Row[] {
  const ordered = [...activities].sort((one, other) => first(one).localeCompare(first(other)) || one.activity_id.localeCompare(other.activity_id));
  if (by === "none") return ordered.map((activity) => ({ kind: "activity", key: activity.activity_id, depth: 0, activity }));
  const root = new Branch("", "", -1);
  for (const activity of ordered) {
    const value = activity[by] || t("group.without");
    let branch = root;
    for (const part of by === "wbs" ? value.split(SEPARATOR) : [value]) branch = branch.child(part);
    branch.own.push(activity);
  }
  const out: Row[] = [];
  root.write(out, closed);
  return out;
}

class Branch {
  readonly own: Activity[] = [];
  readonly children = new Map<string, Branch>();
  constructor(readonly key: string, readonly label: string, readonly depth: number) {}

  child(label: string): Branch {
    const found = this.children.get(label) ?? new Branch(`${this.key}\n${label}`, label, this.depth + 1);
    this.children.set(label, found);
    return found;
  }

  all(): Activity[] {
    return [...this.own, ...[...this.children.values()].flatMap((child) => child.all())];
  }

  write(out: Row[], closed: ReadonlySet<string>): void {
    const open = !closed.has(this.key);
    if (this.depth >= 0) out.push(this.summary(open));
    if (this.depth >= 0 && !open) return;
    const without = t("group.without");
    // Those without a group come last.
    for (const child of this.children.values()) if (child.label !== without) child.write(out, closed);
    this.children.get(without)?.write(out, closed);
    for (const activity of this.own) out.push({ kind: "activity", key: activity.activity_id, depth: this.depth + 1, activity });
  }

  summary(open: boolean): Group {
    const all = this.all();
    let from: number | null = null, to: number | null = null, latest: number | null = null;
    for (const item of all) {
      if (item.start) from = Math.min(from ?? Infinity, moment(item.start));
      if (item.finish) to = Math.max(to ?? 0, moment(item.finish));
      if (item.p80) latest = Math.max(latest ?? 0, moment(item.p80));
    }
    return {
      kind: "group", key: this.key, label: this.label, depth: this.depth, count: all.length, open, from, to, latest,
      done: all.filter((item) => item.status === "complete").length,
      atRisk: all.filter((item) => item.at_risk).length, late: all.filter((item) => item.stage === "already_late").length,
    };
  }
}

export function groupKeys(list: Row[]): string[] {
  return list.filter((row) => row.kind === "group").map((row) => row.key);
}

// What is finished is closed at first: a planner looks at what remains.
export function finishedGroups(activities: Activity[], by: Grouping): Set<string> {
  const all = rows(activities, by, new Set()).filter((row) => row.kind === "group");
  const done = all.filter((row) => row.done === row.count);
  return new Set(done.length < all.length ? done.map((row) => row.key) : []);
}
