// Comfort only: every page works without this file.
'use strict';

const all = (selector) => document.querySelectorAll(selector);
const one = (selector) => document.querySelector(selector);

// A page that the browser kept from before a sign-out must not come back by the back button.
addEventListener('pageshow', (event) => event.persisted && location.reload());

// Menus: one at a time, closed by Escape and by a press elsewhere.
const closeMenus = (except) => all('.menu[open]').forEach((menu) => menu === except || (menu.open = false));
for (const event of ['click', 'focusin']) document.addEventListener(event, ({ target }) => closeMenus(target.closest('.menu')));
document.addEventListener('keydown', (event) => {
  const menu = event.key === 'Escape' && (event.target.closest('.menu[open]') || one('.menu[open]'));
  if (!menu) return;
  menu.open = false;
  menu.querySelector('summary').focus();
});

// On a phone the strip of pages may be wider than the screen.
const strip = one('.sidebar');
const current = one('.sidebar [aria-current]');
if (current) strip.scrollLeft = current.offsetLeft - strip.clientWidth / 2 + current.offsetWidth / 2;

// What has just happened is told once, and not again when the page is loaded anew.
const address = new URL(location.href);
for (const name of ['note', 'to', 'undo', 'saved']) address.searchParams.delete(name);
if (address.search !== location.search) history.replaceState(null, '', address);

// A live region speaks of changes only, so what the page came with is put in once more.
const flash = one('.flash .note p');
if (flash) setTimeout(() => flash.replaceChildren(flash.textContent), 300);

// What is shown once is an answer to a form: going back to it, or loading it anew, leads to the list instead.
const done = one('[data-done]');
if (done) history.replaceState(null, '', done.href);

// Straight to what has to be corrected.
one('[aria-invalid=true]')?.focus();

// Copy.
for (const button of all('[data-copy]')) {
  const label = button.querySelector('span');
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      label.textContent = 'Copied';
      one('#copied').textContent = 'Copied to the clipboard';
    } catch {
      getSelection().selectAllChildren(source);
      label.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => (label.textContent = 'Copy'), 3000);
  });
}

// The date that results from the chosen expiry.
for (const box of all('[data-expiry]')) {
  const [date, output] = [box.querySelector('[type=date]'), box.querySelector('output')];
  const show = () => {
    const choice = box.querySelector(':checked');
    const isCustom = Boolean(choice && 'custom' in choice.dataset);
    date.required = isCustom;
    if (!choice) return;
    const at = date.valueAsDate;
    const day = at && at.toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
    output.textContent = isCustom ? (day && date.validity.valid ? `Expires on ${day}` : '') : choice.dataset.result;
  };
  box.addEventListener('input', show);
  show();
}

// Mailed links carry their token behind the # sign, where no server sees it; it leaves the address bar at once. Without
// a password the form asks what one must be like.
const takeToken = () => {
  const code = one('form [name=token]');
  if (!code || location.hash.length < 2) return;
  code.value = location.hash.slice(1);
  history.replaceState(null, '', location.pathname + location.search);
  one('#password')?.remove();
  code.form.submit();
};
addEventListener('hashchange', takeToken);
takeToken();

// Password rules, checked while typing; the server decides.
const count = (pattern) => (text) => (text.match(pattern) || []).length;
const length = (text) => [...text].length;
const measures = {
  minLength: length,
  maxLength: length,
  minNumOfBlockLetters: count(/\p{Lu}/gu),
  minNumOfSmallLetters: count(/\p{Ll}/gu),
  minNumOfDigits: count(/\p{Nd}/gu),
  minNumOfSpecialCharacters: count(/[^\p{L}\p{N}]/gu),
};
for (const list of all('.rules')) {
  const input = document.getElementById(list.dataset.for);
  input.addEventListener('input', () => {
    for (const item of list.querySelectorAll('[data-rule]')) {
      const { rule, value } = item.dataset;
      const measured = input.value && measures[rule] ? measures[rule](input.value) : NaN;
      const isMet = rule === 'maxLength' ? measured <= value : measured >= value;
      item.classList.toggle('met', isMet);
      item.querySelector('.visually-hidden').textContent = isMet ? ': done' : '';
    }
  });
}
for (const again of all('[data-same-as]')) {
  const first = document.getElementById(again.dataset.sameAs);
  const check = () => again.setCustomValidity(again.value === first.value ? '' : 'This is not the same password.');
  first.addEventListener('input', check);
  again.addEventListener('input', check);
}

// Show what is typed.
for (const input of all('[data-reveal]')) {
  const box = document.createElement('div');
  const button = document.createElement('button');
  box.className = 'reveal-box';
  const name = (word) => Object.assign(button, { type: 'button', textContent: word, ariaLabel: `${word} password` });
  input.replaceWith(box);
  box.append(input, button);
  name('Show');
  button.addEventListener('click', () => {
    const isShown = input.type === 'password';
    input.type = isShown ? 'text' : 'password';
    name(isShown ? 'Hide' : 'Show');
  });
}

// A whole key must not stand in an address; its end finds it too.
for (const search of all('.filters [type=search]')) {
  search.form.addEventListener('submit', () => (search.value = search.value.replace(/^\s*lk_\w*(\w{4})\s*$/, '$1')));
}

// Long lists of users get a field to narrow them. Whoever is chosen stays so, or nobody is: never somebody else.
for (const select of all('select[data-search]')) {
  const options = [...select.options];
  if (options.length < 8) continue;
  const [input, none] = [document.createElement('input'), new Option('', '')];
  Object.assign(input, { type: 'search', className: 'search-first', placeholder: select.dataset.search, ariaLabel: select.dataset.search });
  select.before(input);
  let chosen = select.selectedOptions[0];
  select.addEventListener('change', () => (chosen = select.selectedOptions[0]));
  input.addEventListener('keydown', (event) => event.key === 'Enter' && event.preventDefault());
  const narrow = () => {
    const words = input.value.trim().toLowerCase();
    const found = options.filter((option) => option.text.toLowerCase().includes(words));
    none.text = found.length ? 'Choose a user' : 'No user matches';
    const stays = found.includes(chosen);
    select.replaceChildren(...(stays ? [] : [none]), ...found);
    select.value = stays ? chosen.value : '';
  };
  input.addEventListener('input', narrow);
  input.addEventListener('change', narrow);
}
