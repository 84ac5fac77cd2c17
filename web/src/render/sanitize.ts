/** The gate between what a model wrote and the page: a short list of elements and attributes, and links that lead only where links lead. */
import DOMPurify from "dompurify";

const TAGS =
  "p br hr em strong del s code pre span a ul ol li blockquote h3 h4 h5 h6 table thead tbody tr th td sub sup kbd".split(
    " ",
  );
const CLASSES = /^(?:math(?: display)?|task|image|language-[\w+#.-]*|hljs-[\w-]+(?: \w+_)*)$/;
const LINK = /^(?:https?:|mailto:)/i;

const purify = DOMPurify(window);

purify.addHook("uponSanitizeAttribute", (_node, data) => {
  if (data.attrName === "class" && !CLASSES.test(data.attrValue)) data.keepAttr = false;
});

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A" || !node.hasAttribute("href")) return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

/** A fragment that runs nothing and loads nothing. */
export function sanitize(html: string): DocumentFragment {
  return purify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "class", "align", "start"],
    ALLOWED_URI_REGEXP: LINK,
    ADD_URI_SAFE_ATTR: ["align", "start"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}
