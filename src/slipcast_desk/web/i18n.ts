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

// The name of a feature. The API says it in English, or in the planner's own word, which stays as it is.
export function feature(code: string, name?: string): string {
  const bare = code.replace(/^now_/, "");
  const key = `feature.${bare}` as Key;
  const texts = catalogue.strings[key] as string[] | undefined;
  if (!texts) return name ?? bare.replace(/_/g, " ");
  const whole = (text: string, at: number) => (bare === code ? text : (catalogue.strings["feature.now"] as string[])[at]!.replace("{name}", text));
  if (name === undefined || name === whole(texts[0]!, 0)) return whole(texts[place]!, place);
  return name.endsWith(" in days") ? t("feature.in_days", { name: name.slice(0, -" in days".length) }) : name;
}

const ENGLISH_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
// The value of a feature: its text is of the schedule, but for these words of the API.
export function featureValue(code: string, value: string): string {
  if (value === "unknown") return t("feature.unknown");
  const month = code === "finish_season" ? ENGLISH_MONTHS.indexOf(value) : -1;
  return month < 0 ? value : new Intl.DateTimeFormat(language, { month: "long", timeZone: "UTC" }).format(Date.UTC(2024, month, 1));
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
