using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Backprop.Page.Tests;

/// <summary>Runs, from the editor to their end, as people see them on the page.</summary>
[Collection(PageTests.Name)]
public sealed partial class RunTests(PageFixture fixture)
{
    [SkippableFact]
    public async Task A_run_is_submitted_from_the_editor_and_watched_to_its_end()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("submit");
        IPage page = visit.Page;
        ILocator editor = page.GetByLabel("Specification of the run");
        await editor.FillAsync("name = moons\nmodell = []");
        await Expect(page.GetByRole(AriaRole.List, new() { Name = "Mistakes" }))
            .ToContainTextAsync("modell");

        await page.GetByLabel("Start from an example").SelectOptionAsync(
            new SelectOptionValue { Label = "moons" });
        await Expect(page.Locator("#verdict")).ToContainTextAsync("this is the run “moons”");
        await page.GetByRole(AriaRole.Button, new() { Name = "Submit the run" }).ClickAsync();

        await Expect(page).ToHaveURLAsync(RunAddress());
        await Expect(page.Locator("main .chip").First).ToHaveTextAsync("completed");
        ILocator result = page.GetByRole(AriaRole.Region, new() { Name = "Result" });
        await Expect(result).ToContainTextAsync("Test accuracy");
        await Expect(result.GetByRole(AriaRole.Link, new() { NameRegex = Download() }))
            .ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Checkpoints" }))
            .ToBeVisibleAsync();
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task The_nodes_that_took_part_stay_unfolded_while_the_run_goes_on()
    {
        Chromium.Require();
        await using GoingRun run = await fixture.SubmitLongAsync();
        await using Visit visit = await fixture.VisitAsync($"runs/{run.Id}");
        ILocator workers =
            visit.Page.GetByRole(AriaRole.Region, new() { Name = "Workers" });
        ILocator details = workers.Locator("details");
        await details.GetByText("took part so far").ClickAsync();
        await Expect(details.GetByText("served, since")).ToBeVisibleAsync();

        // The run's numbers have changed meanwhile, and those of its workers with them.
        ILocator speed = workers.GetByText(" each").First;
        string before = await speed.InnerTextAsync();
        await Expect(speed).Not.ToHaveTextAsync(before);
        await Expect(details).ToHaveAttributeAsync("open", "");
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task Who_comes_back_in_the_middle_sees_the_whole_run()
    {
        Chromium.Require();
        await using GoingRun run = await fixture.SubmitLongAsync();
        await using Visit visit = await fixture.VisitAsync($"runs/{run.Id}");
        IPage page = visit.Page;
        ILocator happened = page.GetByRole(AriaRole.List).Filter(
            new() { HasText = "the run has entered the queue" });
        await Expect(page.Locator("main .chip").First).ToHaveTextAsync("training");
        await Expect(happened).ToBeVisibleAsync();
        await Expect(happened).ToContainTextAsync("g1 begins");
        await Expect(happened).ToContainTextAsync(Epoch());

        await page.ReloadAsync();

        await Expect(page.Locator("main .chip").First).ToHaveTextAsync("training");
        await Expect(happened).ToContainTextAsync("the run has entered the queue");
        await Expect(happened).ToContainTextAsync("g1 begins");
        await Expect(happened).ToContainTextAsync(Epoch());
        string[] lines = [.. await happened.Locator("li").AllInnerTextsAsync()];
        Assert.Single(lines, line => line.Contains("has entered the queue"));

        await StopAsync(page);
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task What_one_does_another_sees()
    {
        Chromium.Require();
        await using GoingRun run = await fixture.SubmitLongAsync();
        await using Visit one = await fixture.VisitAsync($"runs/{run.Id}");
        await using Visit other = await fixture.VisitAsync("runs", width: 390, ColorScheme.Dark);
        ILocator row = other.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = run.Id });
        await Expect(one.Page.Locator("main .chip").First).ToHaveTextAsync("training");
        await Expect(row).ToContainTextAsync("training");

        await one.Page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        await Expect(row).ToContainTextAsync("paused");
        await one.Page.GetByRole(AriaRole.Button, new() { Name = "Resume" }).ClickAsync();
        await Expect(row).ToContainTextAsync("training");
        await StopAsync(one.Page);

        await Expect(row).ToContainTextAsync("stopped");
        one.AssertQuiet();
        other.AssertQuiet();
    }

    [SkippableFact]
    public async Task A_worker_that_is_killed_is_said_to_be_gone_and_the_run_goes_on()
    {
        Chromium.Require();
        await using GoingRun run = await fixture.SubmitLongAsync();
        await using Visit visit = await fixture.VisitAsync($"runs/{run.Id}");
        IPage page = visit.Page;
        ILocator workers = page.GetByRole(AriaRole.Region, new() { Name = "Workers" })
            .GetByRole(AriaRole.Listitem);
        await Expect(workers).ToHaveCountAsync(PageFixture.Workers);
        string name = fixture.Cluster.AddressOf("worker-2");
        ILocator worker = workers.Filter(new() { HasText = name });
        string before = await worker.InnerTextAsync();

        fixture.Cluster.Kill("worker-2");

        await Expect(worker).ToHaveCountAsync(0);

        // Whose micro-batches go to another is news; one that had none is missed by nobody.
        if (!before.Contains("observes", StringComparison.Ordinal))
        {
            await Expect(page.GetByRole(
                    AriaRole.Region, new() { Name = "What has happened, newest first" }))
                .ToContainTextAsync(new Regex($"{Regex.Escape(name)} (has left|is late)"));
        }

        await Expect(page.Locator("main .chip").First).ToHaveTextAsync("training");
        await StopAsync(page);
        visit.AssertQuiet();
    }

    private static async Task StopAsync(IPage page)
    {
        await page.GetByRole(AriaRole.Button, new() { Name = "Stop…" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Stop the run" }).ClickAsync();
        await Expect(page.Locator("main .chip").First).ToHaveTextAsync("stopped");
    }

    [GeneratedRegex(@"epoch \d+:")]
    private static partial Regex Epoch();

    [GeneratedRegex(@"#/runs/moons-\d+$")]
    private static partial Regex RunAddress();

    [GeneratedRegex("^Download the model")]
    private static partial Regex Download();
}
