/*
 * The page as a value: `h` says what shall be there, `render` changes what is there into it. Text stays text: nothing
 * that came from outside ever becomes markup.
 */

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "open", "readOnly"]);

/** An element: its tag, its attributes (`on…` are listeners, `key` tells it from its siblings), what is in it. */
export function h(tag, attributes, ...children) {
  return { tag, attributes: attributes ?? {}, children: flat(children), key: attributes?.key };
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (typeof child === "object" ? child : { text: String(child) }));
}

const shown = new WeakMap();

/** Let a container hold these elements and no others. */
export function render(container, children) {
  reconcile(container, flat([children]), container.namespaceURI === SVG);
}

function reconcile(parent, wanted, inSvg) {
  const before = shown.get(parent) ?? new Map();
  const after = new Map();
  let place = parent.firstChild;
  wanted.forEach((element, index) => {
    const own = nameOf(element, index);
    const name = after.has(own) ? `${own} again at ${index}` : own;
    let node = before.get(name);
    if (node) before.delete(name);
    else node = made(element, inSvg);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    adjust(node, element, inSvg);
    after.set(name, node);
  });
  for (const node of before.values()) node.remove();
  shown.set(parent, after);
}

/** Only an element of the same tag and key, or at the same place, is changed into another. */
function nameOf(element, index) {
  return element.tag === undefined ? `text ${index}` : `${element.tag} ${element.key ?? `#${index}`}`;
}

function made(element, inSvg) {
  if (element.tag === undefined) return document.createTextNode(element.text);
  return inSvg || element.tag === "svg" ? document.createElementNS(SVG, element.tag) : document.createElement(element.tag);
}

const attributesOf = new WeakMap();

function adjust(node, element, inSvg) {
  if (element.tag === undefined) {
    if (node.data !== element.text) node.data = element.text;
    return;
  }
  const before = attributesOf.get(node) ?? {};
  for (const name of Object.keys(before)) if (!(name in element.attributes)) change(node, name, undefined);
  for (const [name, value] of Object.entries(element.attributes)) {
    // What somebody is about to choose or type is theirs, until they are done or the page has another value.
    if (before[name] !== value || (PROPERTIES.has(name) && node !== document.activeElement)) change(node, name, value);
  }
  attributesOf.set(node, element.attributes);
  reconcile(node, element.children, inSvg || element.tag === "svg");
  // What a list has chosen can only be told once it has its choices.
  if (element.tag === "select" && before.value === undefined) node.value = element.attributes.value;
}

function change(node, name, value) {
  if (name === "key") return;
  if (name.startsWith("on")) node[name] = value ?? null;
  else if (PROPERTIES.has(name) && node.tagName !== "OPTION") { if (node[name] !== (value ?? "")) node[name] = value ?? ""; }
  else if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}
