// Our mark: a lighthouse and its beam.
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="logo-night" width="32" height="32" rx="8" />
      <path class="logo-beam" d="M16 10 30 5v10z" />
      <path class="logo-tower" d="M13.2 13h5.6l1.9 13.5h-9.4z" />
      <path class="logo-lamp" d="M11.5 12h9M13 12V8.2L16 5.5l3 2.7V12" />
    </svg>
  );
}
