import { useState } from "preact/hooks";
import { Problem, request } from "../api";
import { forget, signIn, useKey, type Config } from "../auth";
import { t } from "../i18n";
import { Field, ProblemNote } from "../parts";

export function SignIn({ config, lost, done }: { config: Config; lost: boolean; done: () => void }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const enter = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    useKey(key);
    try {
      await request("projects?limit=1");
      done();
    } catch (error) {
      forget();
      setProblem(error instanceof Problem ? error : new Problem(-1, String(error), null));
    }
    setBusy(false);
  };
  return (
    <section class="card sign-in">
      <h1>{t("sign.title")}</h1>
      {lost && <div class="problem" role="alert"><strong>{t("problem.expired")}</strong><p>{t("sign.return")}</p></div>}
      {config.auth === "jwt" && config.sign_in && (
        <><p>{t("sign.token")}</p><button type="button" class="main" onClick={signIn}>{t("sign.in")}</button></>
      )}
      {(config.auth === "iam" || (config.auth === "jwt" && !config.sign_in)) && <p>{t("sign.impossible")}</p>}
      {config.auth !== "jwt" && config.auth !== "iam" && (
        <form onSubmit={enter}>
          <p>{t("sign.key.help")}</p>
          <Field label={t("sign.key")}>
            <input type="password" name="key" required autocomplete="off" value={key} onInput={(event) => setKey(event.currentTarget.value)} />
          </Field>
          <button class="main" disabled={busy}>{t("sign.in")}</button>
        </form>
      )}
      {problem && (problem.status === 403 ? <div class="problem" role="alert"><strong>{t("sign.wrong")}</strong><p>{problem.detail}</p></div> : <ProblemNote problem={problem} />)}
    </section>
  );
}
