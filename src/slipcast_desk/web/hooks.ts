import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Problem, request } from "./api";

export interface Loaded<T> { data: T | null; problem: Problem | null; again: () => void }

// What a function fetches, fetched again when one of `inputs` changes; an answer that is overtaken is dropped.
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, inputs: unknown[]): Loaded<T> {
  const [state, set] = useState<{ data: T | null; problem: Problem | null }>({ data: null, problem: null });
  const [turn, next] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    set({ data: null, problem: null });
    load(control.signal).then(
      (data) => control.signal.aborted || set({ data, problem: null }),
      (error) => control.signal.aborted || set({ data: null, problem: error instanceof Problem ? error : new Problem(-1, String(error), null) }),
    );
    return () => control.abort();
  }, [...inputs, turn]);
  return { ...state, again: useCallback(() => next((count) => count + 1), []) };
}

export function useGet<T>(path: string | null): Loaded<T> {
  return useLoaded<T>((signal) => (path === null ? new Promise<T>(() => {}) : request<T>(path, undefined, signal)), [path]);
}

export interface Route { path: string[]; query: URLSearchParams }
const parse = (): Route => {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
};
export function useRoute(): Route {
  const [route, set] = useState(parse);
  useEffect(() => {
    const changed = () => set(parse());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
export const href = (...path: string[]): string => `#/${path.map(encodeURIComponent).join("/")}`;

export function useSize<T extends HTMLElement>(): [{ current: T | null }, number] {
  const box = useRef<T | null>(null);
  const [width, set] = useState(0);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => set(Math.floor(entry!.contentRect.width)));
    seen.observe(box.current!);
    return () => seen.disconnect();
  }, []);
  return [box, width];
}
