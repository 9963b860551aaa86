// The forecast in the user's own file.
import { useState } from "preact/hooks";
import { BASE, Problem, request, segment, type Project } from "../api";
import { t, type Key } from "../i18n";
import { ProblemNote } from "../parts";

const FORMATS = ["xer", "pmxml", "mspdi", "csv", "xlsx", "html"] as const;

export function Export({ project }: { project: Project }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState<string | null>(null);
  const download = async (format: string) => {
    setBusy(format);
    setProblem(null);
    try {
      const file = await request<{ url: string; name: string }>(`projects/${segment(project.project_id)}/export?format=${format}`);
      // A link that is signed for a quarter of an hour: into a tab of its own, which ends with the download.
      const anchor = document.createElement("a");
      Object.assign(anchor, { href: new URL(file.url, BASE).href, download: file.name, target: "_blank", rel: "noopener" });
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
