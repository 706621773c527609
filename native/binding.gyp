{
  "targets": [
    {
      "target_name": "carrick",
      "sources": [
        "addon/areas.cc",
        "addon/ctl.cc",
        "addon/doorbell.cc",
        "addon/endpoint.cc",
        "addon/guard.cc",
        "addon/host_calls.cc",
        "addon/memory.cc",
        "addon/module.cc",
        "addon/names.cc",
        "addon/netns.cc",
        "addon/perf.cc",
        "addon/probe.cc",
        "addon/process.cc",
        "addon/sandbox.cc",
        "addon/spawn.cc",
        "addon/spin.cc"
      ],
      "include_dirs": [
        "<!(node -p \"require('node-addon-api').include_dir\")",
        "../shared/gen"
      ],
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "_GNU_SOURCE"
      ],
      "cflags": ["-Wall", "-Wextra", "-O2", "-fvisibility=hidden"],
      "cflags_cc": ["-std=gnu++17", "-fno-exceptions", "-fno-rtti"]
    }
  ]
}
