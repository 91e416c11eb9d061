using Microsoft.Playwright;

namespace Backprop.Page.Tests;

/// <summary>The machine's own Chromium, without a window.</summary>
internal static class Chromium
{
    private static readonly string[] s_names = ["chromium", "chromium-browser", "google-chrome"];

    /// <summary>Where it is; null: there is none.</summary>
    public static string? Path { get; } = Find();

    /// <summary>Skips a test where there is no browser to run it in.</summary>
    public static void Require() => Skip.If(
        Path is null,
        $"there is no {string.Join(" or ", s_names)} on the PATH: install Debian's chromium");

    /// <summary>Starts it.</summary>
    public static Task<IBrowser> LaunchAsync(IPlaywright playwright) =>
        playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Path,
            Headless = true,
            // Its sandbox does not start for root; what it is shown here is our own page.
            ChromiumSandbox = false,
        });

    private static string? Find() =>
        (from folder in (Environment.GetEnvironmentVariable("PATH") ?? "")
             .Split(System.IO.Path.PathSeparator)
         from name in s_names
         let file = System.IO.Path.Combine(folder, name)
         where File.Exists(file)
         select file).FirstOrDefault();
}
