// Texts, dates and numbers in the reader's language. All texts are in strings.json.
import catalogue from "./strings.json";

export type Key = keyof typeof catalogue.strings;
export const LANGUAGES = catalogue.languages;

const found = localStorage.getItem("slipcast.language") ?? navigator.language.slice(0, 2);
export const language = LANGUAGES.includes(found) ? found : "en";
const place = LANGUAGES.indexOf(language);
document.documentElement.lang = language;

export function chooseLanguage(name: string): void {
  localStorage.setItem("slipcast.language", name);
  location.reload();
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = (catalogue.strings[key] as string[])[place]!;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

// A text of the API, such as a state, where the catalogue has one for it.
export function word(group: string, value: string | null | undefined): string {
  if (!value) return "";
  const key = `${group}.${value}`;
  return key in catalogue.strings ? t(key as Key) : value.replace(/_/g, " ");
}

const DAY = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat(language, { month: "short", year: "numeric", timeZone: "UTC" });
const SHORT_MONTH = new Intl.DateTimeFormat(language, { month: "short", timeZone: "UTC" });
const NUMBER = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const SMALL = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 });
const SIGNED = new Intl.NumberFormat(language, { maximumFractionDigits: 1, signDisplay: "exceptZero" });
const PERCENT = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });

export const NONE = "–";
export const number = (value: number): string => NUMBER.format(value);
export const small = (value: number): string => SMALL.format(value);
export const signed = (value: number): string => SIGNED.format(value);
export const monthYear = (moment: number): string => MONTH.format(moment);
export const shortMonth = (moment: number): string => SHORT_MONTH.format(moment);
export const percent = (value: number | null | undefined): string => (value == null ? NONE : PERCENT.format(value));

export function day(value: string | number | null | undefined): string {
  return value == null || value === "" ? NONE : DAY.format(typeof value === "number" ? value : moment(value));
}

// Calendar days are midnights of UTC, so that no time zone moves them.
export const moment = (iso: string): number => Date.parse(`${iso.slice(0, 10)}T00:00:00Z`);
export const DAYS = 86_400_000;

export function between(from: string | null | undefined, to: string | null | undefined): number | null {
  return from && to ? Math.round((moment(to) - moment(from)) / DAYS) : null;
}

// A difference in days as people say it: days below three weeks, then weeks.
export function span(days: number | null): string {
  if (days == null) return NONE;
  if (days === 0) return t("span.none");
  const weeks = Math.abs(days) >= 21;
  const size = weeks ? Math.round(Math.abs(days) / 7) : Math.abs(days);
  const rule = new Intl.PluralRules(language).select(size) === "one" ? "one" : "other";
  return t(`span.${weeks ? "weeks" : "days"}.${days > 0 ? "later" : "earlier"}.${rule}` as Key, { n: size });
}
