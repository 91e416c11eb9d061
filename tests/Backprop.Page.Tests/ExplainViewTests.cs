using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Backprop.Page.Tests;

[Collection(PageTests.Name)]
public sealed class ExplainViewTests(PageFixture fixture)
{
    [SkippableFact]
    public async Task A_step_is_walked_through_phase_by_phase()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");
        IPage page = visit.Page;
        ILocator story = page.Locator(".explain-story");
        ILocator next = page.GetByRole(AriaRole.Button, new() { Name = "Next phase" });
        await Expect(story).ToContainTextAsync("The sample goes in");
        await Expect(story).ToContainTextAsync("error 0.2983711");

        await next.ClickAsync();
        await Expect(story).ToContainTextAsync(
            "net(h1) = 0.05 · 0.15 + 0.1 · 0.2 + 0.35 = 0.3775");
        await next.ClickAsync();
        await Expect(story).ToContainTextAsync("out(h1) = sigmoid(0.3775) = 0.59327");
        await next.ClickAsync();
        await next.ClickAsync();
        await Expect(story).ToContainTextAsync("= 0.7513651");
        await next.ClickAsync();
        await Expect(story).ToContainTextAsync("E = 0.2748111 + 0.02356003 = 0.2983711");
        await next.ClickAsync();
        await Expect(story).ToContainTextAsync("δ(y1) = 0.7413651 · 0.1868156 = 0.1384986");
        await next.ClickAsync();
        await Expect(story).ToContainTextAsync("= 0.08216704");
        await page.GetByRole(AriaRole.Button, new() { Name = "update" }).ClickAsync();
        await Expect(story).ToContainTextAsync("w5 = 0.4 − 0.5 · 0.08216704 = 0.3589165");
        await next.ClickAsync();
        await Expect(story).ToContainTextAsync("Step 1, phase 1 of 11; error 0.2910278");
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task A_weight_is_chosen_by_mouse_or_keyboard_and_its_chain_rule_is_written_out()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");
        IPage page = visit.Page;
        ILocator chain = page.GetByRole(AriaRole.Region, new() { Name = "Chain rule" });
        await Weight(page, "^w8 .* from h2 to y2").ClickAsync();
        await Expect(chain).ToContainTextAsync("output.weight[1,1]");
        await Expect(chain).ToContainTextAsync("= 0.5613701");

        ILocator first = Weight(page, "^w1 .* from x1 to h1");
        await first.FocusAsync();
        await page.Keyboard.PressAsync("Enter");

        await Expect(first).ToHaveAttributeAsync("aria-pressed", "true");
        await Expect(chain).ToContainTextAsync("hidden.weight[0,0]");
        await Expect(chain).ToContainTextAsync("0.1384986 · 0.4 + (−0.03809824) · 0.5");
        await Expect(chain).ToContainTextAsync("= 0.0004385677");
        await Expect(chain).ToContainTextAsync("= 0.1497807");
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task It_plays_pauses_and_begins_again()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");
        IPage page = visit.Page;
        ILocator where = page.Locator(".explain-where");
        await Choice(page, "Speed").SelectOptionAsync("steps-1000");
        await page.GetByRole(AriaRole.Button, new() { Name = "Play" }).ClickAsync();
        await Expect(where).ToContainTextAsync("error 0.0");

        await page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Play" })).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Reset" }).ClickAsync();
        await Expect(where).ToContainTextAsync("Step 0, phase 1 of 11; error 0.2983711");
        await page.GetByRole(AriaRole.Button, new() { Name = "One step" }).ClickAsync();
        await Expect(where).ToContainTextAsync("Step 0, phase 11 of 11");
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task The_learning_rate_is_what_a_step_is_taken_with()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");
        IPage page = visit.Page;
        ILocator rate = page.GetByRole(AriaRole.Spinbutton, new() { Name = "Learning rate" });
        await rate.FillAsync("1");
        await page.GetByRole(AriaRole.Button, new() { Name = "One step" }).ClickAsync();
        await Expect(page.Locator(".explain-story")).ToContainTextAsync(
            "w5 = 0.4 − 1 · 0.08216704 = 0.317833");

        await rate.FillAsync("-3");

        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("above 0");
        await Expect(rate).ToHaveAttributeAsync("aria-invalid", "true");
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task Another_network_has_other_weights_and_fits_a_phone()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain", width: 360);
        IPage page = visit.Page;
        await Choice(page, "Network").SelectOptionAsync("xor");

        await Weight(page, "^w6 .* from h2 to y1").ClickAsync();

        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Chain rule" }))
            .ToContainTextAsync("leads from h2 to y1");
        await Expect(page.Locator(".explain-story")).ToContainTextAsync("over all samples");
        Assert.Equal(
            360, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        visit.AssertQuiet();
    }

    private static ILocator Weight(IPage page, string name) =>
        page.GetByRole(AriaRole.Button, new() { NameRegex = new(name) });

    private static ILocator Choice(IPage page, string name) =>
        page.GetByRole(AriaRole.Combobox, new() { Name = name });
}
