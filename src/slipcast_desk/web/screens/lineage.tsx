// Where a forecast comes from: the update with its file and run, the model with its training.
import { segment, type Project } from "../api";
import { href, useGet } from "../hooks";
import { day, number, t, word } from "../i18n";
import { Waiting } from "../parts";

interface Lineage {
  activity_id: string; prediction_id: string;
  update: { data_date: string; dataset_version: string | null; execution: string | null; file: string | null; file_version: string | null; intake_url: string | null };
  model: {
    version: string; model_id: string; sha256: string; trained_at: string | null; execution: string | null; family: string | null; reason: string | null;
    approved_by: string | null; dataset_version: string | null; dataset_data_date: string | null; dataset_rows: number | null; report_url: string | null;
  } | null;
}

export function LineageScreen({ project, id }: { project: Project; id: string }) {
  const loaded = useGet<Lineage>(`projects/${segment(project.project_id)}/activities/${segment(id)}/lineage`);
  const back = `${href("projects", project.project_id, "gantt")}?activity=${segment(id)}`;
  return (
    <Waiting of={loaded}>
      {({ update, model, prediction_id }) => (
        <div class="grid">
          <section class="card wide">
            <h2>{t("lineage.title")} <small>{id}</small></h2>
            <p class="muted">{t("lineage.help")} <a href={back}>{t("lineage.back")}</a></p>
            <p>{t("lineage.check")}</p>
            <pre tabIndex={0}>slipcast lineage {prediction_id}</pre>
          </section>
          <section class="card">
            <h2>{t("lineage.update")}</h2>
            <dl class="facts">
              <dt>{t("lineage.data_date")}</dt><dd>{day(update.data_date)}</dd>
              <dt>{t("lineage.file")}</dt><dd>{update.file ?? "–"}</dd>
              {update.file_version && <><dt>{t("lineage.file.version")}</dt><dd>{update.file_version}</dd></>}
              <dt>{t("lineage.dataset")}</dt><dd>{update.dataset_version ?? "–"}</dd>
              <dt>{t("lineage.execution")}</dt><dd>{update.execution ?? "–"}</dd>
            </dl>
            {update.intake_url && <p><a class="button" href={update.intake_url} target="_blank" rel="noopener">{t("intake.title")}</a></p>}
          </section>
          <section class="card">
            <h2>{t("lineage.model")}</h2>
            {!model && <p class="muted">{t("lineage.model.none")}</p>}
            {model && (
              <>
                <dl class="facts">
                  <dt>{t("fact.model")}</dt><dd>{t("model.version.n", { n: model.version })}{model.family && `, ${word("family", model.family)}`}</dd>
                  <dt>{t("lineage.model.id")}</dt><dd>{model.model_id}<br /><small>SHA-256 {model.sha256}</small></dd>
                  <dt>{t("model.trained")}</dt><dd>{day(model.trained_at)}</dd>
                  <dt>{t("fact.started")}</dt><dd>{word("reason", model.reason) || "–"}</dd>
                  {model.approved_by && <><dt>{t("lineage.approved")}</dt><dd>{model.approved_by}</dd></>}
                  <dt>{t("lineage.dataset")}</dt><dd>{model.dataset_version ?? "–"}</dd>
                  {model.dataset_data_date && <><dt>{t("lineage.data_date")}</dt><dd>{day(model.dataset_data_date)}</dd></>}
                  {model.dataset_rows != null && <><dt>{t("lineage.rows")}</dt><dd>{number(model.dataset_rows)}</dd></>}
                  <dt>{t("lineage.execution")}</dt><dd>{model.execution ?? "–"}</dd>
                </dl>
                <p class="actions">
                  {model.report_url && <a class="button" href={model.report_url} target="_blank" rel="noopener">{t("page.training")}</a>} <a class="button" href="#/model">{t("lineage.live")}</a>
                </p>
              </>
            )}
          </section>
        </div>
      )}
    </Waiting>
  );
}
