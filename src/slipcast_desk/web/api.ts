// The project API, below the same stage as this page.
import { authorization, forget, renew } from "./auth";

export const BASE = new URL("..", document.baseURI);

export class Problem extends Error {
  constructor(readonly status: number, readonly detail: string, readonly requestId: string | null) {
    super(detail);
  }
}

export type Expired = () => void;
let expired: Expired = () => {};
export function onExpired(callback: Expired): void {
  expired = callback;
}

export async function request<T>(path: string, body?: unknown, signal?: AbortSignal, method = body === undefined ? "GET" : "POST"): Promise<T> {
  await renew();
  let answer = await sent(path, body, signal, method);
  // A token that the API refuses before its time, such as after a change of the clock: another one, once.
  if (answer.status === 401 && (await renew(true))) answer = await sent(path, body, signal, method);
  if (answer.ok) return (await answer.json()) as T;
  const text = await answer.text();
  let detail = "";
  try {
    const found = JSON.parse(text);
    detail = found.detail ?? found.message ?? "";
  } catch {
    // Not every proxy on the way answers with a problem document.
  }
  const problem = new Problem(answer.status, detail, answer.headers.get("x-request-id"));
  if (answer.status === 401) {
    forget();
    expired();
  }
  throw problem;
}

async function sent(path: string, body: unknown, signal: AbortSignal | undefined, method: string): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...authorization() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(new URL(path, BASE), { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "", null);
  }
}

export const segment = encodeURIComponent;

export interface Quantiles { p50: string | null; p80: string | null; p90: string | null }
export interface Completion extends Quantiles { baseline: string | null; planned: string | null; p10?: string | null; cpm?: string | null }
export interface Summary {
  project_id: string; name: string; source: string; data_date: string; activities: number; open: number; at_risk: number;
  already_late: number; completion: Completion | null; trend: { data_date: string; p50: string; p80: string }[];
  quality: { passed: number; checks: number } | null; model_version: string | null;
}
export interface Milestone extends Quantiles { activity_id: string; name: string; baseline_finish: string | null; planned_finish: string | null }
export interface Update { data_date: string; dataset_version: string | null }
export interface Project extends Summary { milestones: Milestone[]; updates: Update[]; phases: string[]; locations: string[] }
export interface Activity extends Quantiles {
  activity_id: string; activity_name: string | null; phase: string | null; location: string | null; wbs: string | null;
  stage: string; status: string; baseline_start: string | null; baseline_finish: string | null; start: string | null;
  finish: string | null; total_float_days: number | null; late_probability: number | null; at_risk: boolean | null;
  days_late: number | null; p10: string | null; criticality: number | null; is_milestone: boolean | null;
}
export interface Link { activity_id: string; name?: string | null; type?: string; lag_days?: number }
export interface Reason { feature: string; name: string; value: unknown; effect: number }
export interface Detail extends Activity {
  distribution: { date: string; probability: number }[]; reasons: Reason[];
  history: { data_date: string; p50: string | null; p80: string | null; model_version: string | null }[];
  predecessors: Link[]; successors: Link[];
}
export interface Driver { activity_id: string; name: string; criticality: number; days: number }
export interface Forecast {
  project_id: string; data_date: string; completion: Completion | null; milestones: Milestone[]; drivers: Driver[];
  groups: { column: string; value: string; days: number }[]; driving_path: string[];
  reference_class: { n: number; projects?: number; model?: string; text: string } | null; model_version: string | null; basis?: string; note?: string;
}

// All activities in one answer, by column: a tenth of the bytes of rows, and quicker to read.
export async function activities(project: string, signal?: AbortSignal): Promise<Activity[]> {
  const rows: Activity[] = [];
  let next: string | null = null;
  do {
    const page: { columns: Record<string, unknown[]>; next: string | null } = await request(
      `projects/${segment(project)}/activities?layout=columns${next ? `&next=${segment(next)}` : ""}`, undefined, signal,
    );
    const names = Object.keys(page.columns);
    const count = page.columns[names[0] ?? ""]?.length ?? 0;
    for (let place = 0; place < count; place++) {
      const row: Record<string, unknown> = {};
      for (const name of names) row[name] = page.columns[name]![place];
      rows.push(row as unknown as Activity);
    }
    next = page.next;
  } while (next);
  return rows;
}
