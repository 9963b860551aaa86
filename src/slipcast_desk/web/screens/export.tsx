// The forecast in the user's own file.
import { useState } from "preact/hooks";
import { BASE, Problem, segment, type Project } from "../api";
import { authorization } from "../auth";
import { t, type Key } from "../i18n";
import { ProblemNote } from "../parts";

const FORMATS = ["xer", "pmxml", "mspdi", "csv", "xlsx"] as const;

export function Export({ project }: { project: Project }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState<string | null>(null);
  const download = async (format: string) => {
    setBusy(format);
    setProblem(null);
    try {
      const answer = await fetch(new URL(`projects/${segment(project.project_id)}/export?format=${format}`, BASE), { headers: authorization() });
      if (!answer.ok) throw new Problem(answer.status, (await answer.json()).detail ?? "", answer.headers.get("x-request-id"));
      // Either the file itself, or a signed link to it.
      const link = answer.headers.get("content-type")?.includes("json") ? ((await answer.json()) as { url: string }).url : URL.createObjectURL(await answer.blob());
      const anchor = document.createElement("a");
      anchor.href = link;
      anchor.download = /filename="?([^";]+)/.exec(answer.headers.get("content-disposition") ?? "")?.[1] ?? `${project.project_id}.${format === "pmxml" || format === "mspdi" ? "xml" : format}`;
      anchor.click();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, "", null));
    }
    setBusy(null);
  };
  return (
    <section class="card">
      <h2>{t("export.title")}</h2>
      <p class="muted">{t("export.help")}</p>
      <ul class="exports">
        {FORMATS.map((format) => (
          <li key={format}><span>{t(`export.${format}` as Key)}</span><button type="button" disabled={busy !== null} onClick={() => download(format)} aria-label={`${t("export.get")}: ${t(`export.${format}` as Key)}`}>{t("export.get")}</button></li>
        ))}
      </ul>
      {problem && <ProblemNote problem={problem} />}
    </section>
  );
}
