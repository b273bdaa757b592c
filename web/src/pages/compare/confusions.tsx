import { confusionOf, difference, type Confusion, type Normalise } from "../../parts/confusion";
import { asNormalise, ConfusionExports, ConfusionTable, NormaliseChoice } from "../../parts/confusion-view";
import { go, href, place, setParams } from "../../url";
import { swatch } from "./columns";
import { Heading } from "./facts";
import type { SectionProps } from "./page";
import { columnNames } from "./rows";
import { splitsOf } from "./splits";

export function Confusions({ found }: SectionProps) {
  const { params } = place.value;
  const by: Normalise = asNormalise(params.get("by"));
  const splits = splitsOf(found).filter((split) => found.evaluations[split]?.some((one) => confusionOf(one)));
  const split = splits.find((one) => one === params.get("split")) ?? splits[0];
  if (split === undefined) return <><Heading name="Confusion" /><p class="dim">None of these runs recorded a confusion matrix: that is of single-label classification.</p></>;
  const matrices = found.evaluations[split]!.map(confusionOf);
  const names = columnNames(found.runs);
  const both = matrices.filter((one): one is Confusion => one !== null);
  const share: Normalise = by === "" ? "" : by;
  const gap = both.length === 2 ? difference(both[0]!, both[1]!, share) : null;
  return (
    <>
      <Heading name="Confusion">
        {splits.length > 1 && <select aria-label="Split" value={split} onChange={(event) => setParams({ split: event.currentTarget.value, at: null })}>{splits.map((one) => <option key={one}>{one}</option>)}</select>}
        {splits.length === 1 && <span class="dim">{split}</span>}
        <NormaliseChoice by={by} onChange={(next) => setParams({ by: next || null })} />
      </Heading>
      <div class="matrices">
        {matrices.map((matrix, at) => {
          const run = found.runs[at]!;
          return (
            <div key={run.id}>
              <div class="heading"><h3><i class="swatch" style={swatch(at)} /> {names[at]}</h3><span class="grow" />{matrix && <ConfusionExports matrix={matrix} by={by} name={`${run.id}-${split}-confusion`} />}</div>
              {matrix ? (
                <ConfusionTable matrix={matrix} by={by} onCell={(gold, prediction) => go(href(`/run/${encodeURIComponent(run.id)}`, { tab: "predictions", split, gold, prediction }))} />
              ) : (
                <p class="dim">None recorded for {split}.</p>
              )}
            </div>
          );
        })}
        {gap && (
          <div>
            <div class="heading"><h3>Difference, second minus first</h3><span class="grow" /><ConfusionExports matrix={gap} by="" name={`compare-${split}-confusion-difference`} /></div>
            <ConfusionTable matrix={gap} by={by} signed />
          </div>
        )}
        {both.length === 2 && !gap && <p class="dim">The two have different labels: no difference can be taken.</p>}
      </div>
    </>
  );
}
