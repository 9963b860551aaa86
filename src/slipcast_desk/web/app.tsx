import "./style.css";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { onExpired } from "./api";
import { claims, configure, finishSignIn, may, signedIn, signOut, type Config } from "./auth";
import { href, useRoute } from "./hooks";
import { chooseLanguage, language, LANGUAGES, t } from "./i18n";
import { Icon } from "./parts";
import { Portfolio } from "./screens/portfolio";
import { ProjectScreen } from "./screens/project";
import { Model } from "./screens/model";
import { SignIn } from "./screens/signin";
import { Upload } from "./screens/upload";

const NAMES: Record<string, string> = { en: "English", de: "Deutsch", es: "Español" };
const THEME = "slipcast.theme";
const theme = localStorage.getItem(THEME);
if (theme) document.documentElement.dataset.theme = theme;

function switchTheme(): void {
  const dark = getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem(THEME, document.documentElement.dataset.theme);
}

function Screen({ path, query }: ReturnType<typeof useRoute>) {
  const [screen, id, tab] = path;
  if (screen === "projects" && id) return <ProjectScreen key={id} id={id} tab={tab ?? "gantt"} query={query} />;
  if (screen === "upload" && may("planner")) return <Upload />;
  if (screen === "model") return <Model />;
  return <Portfolio />;
}

function App({ config }: { config: Config }) {
  const route = useRoute();
  const [inside, setInside] = useState(signedIn());
  const [lost, setLost] = useState(false);
  useEffect(() => onExpired(() => {
    setLost(true);
    setInside(false);
  }), []);
  const [screen] = route.path;
  const links: [string, string, boolean][] = [["", t("nav.portfolio"), true], ["upload", t("nav.upload"), may("planner")], ["model", t("nav.model"), true]];
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>{t("skip")}</a>
      <header class="top">
        <a class="brand" href="#/"><img src="icon.svg" alt="" width="26" height="26" />Slipcast</a>
        {inside && (
          <nav aria-label={t("nav.label")}>
            {links.filter(([, , shown]) => shown).map(([path, label]) => {
              const current = path === "" ? screen === undefined || screen === "projects" : screen === path;
              return <a key={path} href={href(...(path ? [path] : []))} aria-current={current ? "page" : undefined}>{label}</a>;
            })}
          </nav>
        )}
        <div class="tools">
          <select aria-label={t("language")} value={language} onChange={(event) => chooseLanguage(event.currentTarget.value)}>
            {LANGUAGES.map((name) => <option key={name} value={name}>{NAMES[name]}</option>)}
          </select>
          <button type="button" class="plain" onClick={switchTheme} aria-label={t("theme")} title={t("theme")}><Icon name="sun" /></button>
          {inside && <button type="button" class="plain" onClick={() => { void signOut(); setLost(false); setInside(false); }}>{claims()?.email ?? t("sign.out")}</button>}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {inside ? <Screen {...route} /> : <SignIn config={config} lost={lost} done={() => { setLost(false); setInside(true); }} />}
      </main>
    </>
  );
}

const root = document.getElementById("app")!;
void (async () => {
  const config = await configure();
  await finishSignIn();
  render(<App config={config} />, root);
})();
