/** Scripts that are written from right to left. */
const RTL =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}\p{Script=Hanifi_Rohingya}]/u;

/** Where a text begins, by its first letter; null: it has none. (`dir="auto"` of a list does not look into items that have a `dir` themselves.) */
export function directionOf(text: string): "ltr" | "rtl" | null {
  const letter = /\p{L}/u.exec(text)?.[0];
  return letter === undefined ? null : RTL.test(letter) ? "rtl" : "ltr";
}
