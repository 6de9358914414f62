// Lists the repositories and tags of one registry, and deletes images, through the registry's own API.
'use strict';

const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

const root = document.querySelector('docker-registry-ui');
const setting = (name) => {
  const value = root.getAttribute(name) || '';
  return value.startsWith('${') ? '' : value;
};
const isTrue = (name) => setting(name) === 'true';
const here = window.location.origin + window.location.pathname.replace(/\/+$/, '');
const registry = (setting('registry-url') || here).replace(/\/+$/, '');
const pullUrl = (setting('pull-url') || registry).replace(/^https?:\/\//, '');

function element(parent, tag, text, className) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  parent.appendChild(made);
  return made;
}

async function call(path, options) {
  const answer = await fetch(registry + path, Object.assign({ credentials: 'same-origin' }, options));
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    const codes = (body.errors || []).map((error) => error.code).join(', ');
    throw new Error(`${answer.status} ${codes} for ${path}`);
  }
  return answer;
}

async function pages(path, key) {
  let found = [];
  for (let next = path; next;) {
    const answer = await call(next);
    found = found.concat((await answer.json())[key] || []);
    const link = /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get('Link') || '');
    next = link ? new URL(link[1], registry).pathname + new URL(link[1], registry).search : null;
  }
  return found;
}

async function digestOf(name, tag) {
  const answer = await call(`/v2/${name}/manifests/${tag}`, { method: 'HEAD', headers: { Accept: MANIFESTS } });
  return answer.headers.get('Docker-Content-Digest');
}

async function remove(name, tag) {
  const digest = await digestOf(name, tag);
  await call(`/v2/${name}/manifests/${digest}`, { method: 'DELETE' });
  await show();
}

async function showTag(list, name, tag) {
  const item = element(list, 'li', `${pullUrl}/${name}:${tag}`, 'tag');
  if (isTrue('show-content-digest')) element(item, 'code', await digestOf(name, tag));
  if (isTrue('is-image-remove-activated')) {
    const button = element(item, 'button', 'Delete');
    button.dataset.image = `${name}:${tag}`;
    button.onclick = () => remove(name, tag).catch((error) => element(item, 'span', String(error), 'error'));
  }
}

async function show() {
  root.replaceChildren();
  element(root, 'h1', setting('name') || registry);
  const state = element(root, 'p', 'loading', 'state');
  try {
    const limit = setting('catalog-elements-limit') || '1000';
    const names = await pages(`/v2/_catalog?n=${limit}`, 'repositories');
    for (const name of names) {
      element(root, 'h2', name);
      const list = element(root, 'ul');
      const tags = await pages(`/v2/${name}/tags/list`, 'tags').catch(() => []);
      for (const tag of tags) await showTag(list, name, tag);
    }
    state.textContent = `${names.length} repositories`;
    state.dataset.ready = 'yes';
  } catch (error) {
    state.textContent = String(error);
    state.className = 'error';
    state.dataset.ready = 'failed';
  }
}

show();
