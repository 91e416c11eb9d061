using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Backprop.Page.Tests;

/// <summary>The README's pictures of the page, taken anew where <c>BACKPROP_SCREENSHOTS</c> names
/// the folder for them.</summary>
[Collection(PageTests.Name)]
public sealed class ScreenshotTests(PageFixture fixture)
{
    private static readonly string? s_folder =
        Environment.GetEnvironmentVariable("BACKPROP_SCREENSHOTS");

    [SkippableFact]
    public async Task Of_a_run()
    {
        await using Visit visit = await PoseAsync();
        await using GoingRun run = await fixture.SubmitLongAsync();
        await visit.OpenAsync($"runs/{run.Id}");
        await Expect(visit.Page.GetByRole(AriaRole.List).Filter(
            new() { HasText = "entered the queue" })).ToContainTextAsync("epoch 100:");
        await TakeAsync(visit, "console-run.png");
    }

    [SkippableFact]
    public async Task Of_the_cluster()
    {
        await using Visit visit = await PoseAsync();
        await using GoingRun run = await fixture.SubmitLongAsync();
        await visit.OpenAsync($"cluster?run={run.Id}");
        await Expect(visit.Page.GetByRole(AriaRole.Slider, new() { Name = "Time within" }))
            .ToBeVisibleAsync();
        await visit.Page.GetByRole(AriaRole.Slider, new() { Name = "Time within" })
            .FillAsync("600");
        await TakeAsync(visit, "console-cluster.png");
    }

    [SkippableFact]
    public async Task Of_a_network_that_learns()
    {
        await using Visit visit = await PoseAsync();
        await visit.OpenAsync("explain");
        ILocator step = visit.Page.GetByRole(AriaRole.Button, new() { Name = "One step" });
        for (int i = 0; i < 60; i++)
        {
            await step.ClickAsync();
        }

        await visit.Page.GetByRole(AriaRole.Button, new() { NameRegex = new("^w1 ") })
            .ClickAsync();
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "δ h1 h2" }).ClickAsync();
        await TakeAsync(visit, "console-explain.png");
    }

    private async Task<Visit> PoseAsync()
    {
        Chromium.Require();
        Skip.If(s_folder is null, "BACKPROP_SCREENSHOTS does not say where pictures go");
        return await fixture.VisitAsync(scheme: ColorScheme.Dark);
    }

    private static Task TakeAsync(Visit visit, string name) => visit.Page.ScreenshotAsync(
        new PageScreenshotOptions { Path = Path.Combine(s_folder!, name) });
}
