'use strict';
// All texts are set as text content: nothing that somebody has written becomes a part of the page.
const data = JSON.parse(document.getElementById('data').textContent);
const columns = [
  ['Time', run => run.time, run => run.time.slice(0, 19).replace('T', ' ')],
  ['Outcome', run => run.outcome, run => run.outcome + (run.exit_code ? ' (' + run.exit_code + ')' : '')],
  ['Action', run => run.action || ''],
  ['User', run => run.user || ''],
  ['By', run => who(run)],
  ['Changes', run => (run.changes || []).join('\n')],
  ['Reason', run => run.reason || ''],
];
const records = {
  signed: 'signed by the job', proven: 'proven by the key of the request', not_provable: 'not provable',
};
const signatures = { verified: 'verified', refused: 'no public key of the environment verifies it for this run' };
const details = [
  ['execution', run => run.execution],
  ['line of the table', run => run.row_number],
  ['job', run => run.job],
  ['account', run => run.account],
  ['actor', run => run.actor],
  ['recorded', run => run.recorded.join('\n')],
  ['origin', run => run.origin],
  ['record', run => run.record === null ? 'none that can be used' : records[run.record] || run.record],
  ['signature', run => run.signature && (signatures[run.signature] || run.signature)],
  ['contradicted', run => run.contradicted && 'other entries of the log contradict what is known of it'],
  ['preview', run => run.preview && 'it changed nothing'],
  ['seconds', run => run.seconds],
  ['image', run => run.image],
];

function who(run) {
  if (run.account && run.actor && run.account !== run.actor) return run.account + '\n(' + run.actor + ')';
  return run.account || run.actor || '';
}

function element(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}

function rowOf(run) {
  const row = element('tr');
  if (['failed', 'cancelled', 'contradicted'].includes(run.outcome) || run.exit_code) row.className = 'failed';
  for (const [, value, shown] of columns) row.append(element('td', (shown || value)(run)));
  const cell = element('td');
  const more = element('details');
  more.append(element('summary', run.execution));
  const list = element('dl');
  for (const [name, value] of details) {
    const text = value(run);
    if (text === null || text === undefined || text === false || text === '') continue;
    list.append(element('dt', name), element('dd', String(text)));
  }
  more.append(list);
  cell.append(more);
  row.append(cell);
  return row;
}

const runs = data.runs.map(run => ({ run, row: rowOf(run) }));
for (const one of runs) one.text = one.row.textContent.toLowerCase();
const body = document.querySelector('tbody');
const filter = document.querySelector('input');
const count = document.getElementById('count');

function show() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(word => word);
  let shown = 0;
  for (const one of runs) {
    one.row.hidden = !words.every(word => one.text.includes(word));
    if (!one.row.hidden) shown += 1;
  }
  count.textContent = shown === runs.length ? runs.length + ' runs' : shown + ' of ' + runs.length + ' runs';
}

function sort(header, value, down) {
  for (const other of document.querySelectorAll('th')) other.removeAttribute('aria-sort');
  header.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  const sign = down ? -1 : 1;
  runs.sort((one, other) => {
    const [a, b] = [value(one.run), value(other.run)];
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  });
  body.append(...runs.map(one => one.row));
}

const head = document.querySelector('thead tr');
for (const [name, value] of [...columns, ['Details', run => run.execution]]) {
  const header = element('th');
  header.scope = 'col';
  const button = element('button', name);
  button.type = 'button';
  button.addEventListener('click', () => sort(header, value, header.getAttribute('aria-sort') === 'ascending'));
  header.append(button);
  head.append(header);
}
head.firstElementChild.setAttribute('aria-sort', 'descending');
body.append(...runs.map(one => one.row));
document.title = 'Runs in ' + data.environment;
document.querySelector('h1').textContent = document.title;
document.getElementById('about').textContent = data.about;
const warnings = document.getElementById('warnings');
for (const text of data.warnings) {
  const warning = element('p', text);
  warning.className = 'warning';
  warnings.append(warning);
}
filter.addEventListener('input', show);
show();
