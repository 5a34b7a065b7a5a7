// This browser -> what of it could change a number. What it does not say is null.

import { resolution } from "./loop.js";

// (module (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt)): WebAssembly with SIMD, or not
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);
const HIGH = ["architecture", "bitness", "model", "platformVersion", "fullVersionList"];

export async function facts() {
  const agent = await navigator.userAgentData?.getHighEntropyValues(HIGH).catch(() => undefined);
  const battery = await navigator.getBattery?.().catch(() => undefined);
  return {
    user_agent: navigator.userAgent.slice(0, 400),
    brands: (agent?.fullVersionList ?? []).map((one) => `${one.brand} ${one.version}`.slice(0, 80)).slice(0, 8),
    model: agent?.model || null,
    platform: agent?.platform ? `${agent.platform} ${agent.platformVersion ?? ""}`.trim() : navigator.platform || null,
    architecture: agent?.architecture ? `${agent.architecture}${agent.bitness ? ` ${agent.bitness} bit` : ""}` : null,
    language: navigator.language || null,
    cores: navigator.hardwareConcurrency ?? null,
    memory_gib: navigator.deviceMemory ?? null,
    screen: { width: screen.width, height: screen.height, pixel_ratio: devicePixelRatio },
    touch_points: navigator.maxTouchPoints ?? null,
    battery_level: battery?.level ?? null,
    charging: battery?.charging ?? null,
    secure: isSecureContext,
    isolated: self.crossOriginIsolated === true,
    threads: self.crossOriginIsolated === true && typeof SharedArrayBuffer === "function",
    simd: typeof WebAssembly === "object" && WebAssembly.validate(SIMD),
    webgpu: await gpu(),
    cache_storage: "caches" in self,
    clock_resolution_ns: Math.max(1, Math.round(1e6 * resolution())),
  };
}

async function gpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return null;
  const info = adapter.info ?? {};
  const name = [info.vendor, info.architecture, info.description].filter(Boolean).join(" ");
  const software = adapter.isFallbackAdapter || info.isFallbackAdapter || /swiftshader|llvmpipe|software/i.test(name);
  return { name: name.slice(0, 120) || "unnamed", software: Boolean(software) };
}

/** The facts as [name, words] for people. */
export function told(found) {
  const isolated = found.isolated ? "yes" : found.secure ? "no: threads and a fine clock are kept from this page" : "no: this address is plain http";
  return [
    ["cross-origin isolated", isolated],
    ["threads", found.threads ? `yes, ${found.cores ?? "an unknown number of"} processors` : "no: one thread only"],
    ["SIMD", found.simd ? "yes" : "no"],
    ["WebGPU", found.webgpu ? `${found.webgpu.name}${found.webgpu.software ? ": in software, no GPU" : ""}` : found.secure ? "none" : "none: this address is plain http"],
    ["clock", `moves by ${found.clock_resolution_ns >= 1e6 ? `${found.clock_resolution_ns / 1e6} ms` : `${found.clock_resolution_ns / 1000} µs`}`],
    ["memory", found.memory_gib ? `${found.memory_gib} GiB or more, as browsers round it` : "not told"],
    ["screen", `${found.screen.width} × ${found.screen.height} at ${Math.round(100 * found.screen.pixel_ratio) / 100}`],
    ["battery", found.battery_level === null ? "not told" : `${Math.round(100 * found.battery_level)} %, ${found.charging ? "charging" : "not charging"}`],
    ["browser", found.user_agent],
  ];
}
