using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Backprop.Page.Tests;

/// <summary>axe-core finds nothing serious, in whatever view, theme and size.</summary>
[Collection(PageTests.Name)]
public sealed class AccessibilityTests(PageFixture fixture)
{
    private static readonly string[] s_serious = ["serious", "critical"];

    [SkippableTheory]
    [InlineData(ColorScheme.Light, 1440)]
    [InlineData(ColorScheme.Dark, 1440)]
    [InlineData(ColorScheme.Light, 390)]
    [InlineData(ColorScheme.Dark, 390)]
    public async Task Nothing_bars_anybody_from_a_view(ColorScheme scheme, int width)
    {
        Chromium.Require();
        string run = await fixture.FinishedRunAsync();
        await using GoingRun going = await fixture.SubmitLongAsync();
        string[] views =
        [
            "runs", $"runs/{run}", $"runs/{going.Id}", $"compare/{run}", "submit",
            $"cluster?run={going.Id}", "explain",
        ];
        await using Visit visit = await fixture.VisitAsync(width, scheme);
        var found = new List<string>();
        foreach (string view in views)
        {
            await visit.OpenAsync(view);
            AxeResult result = await visit.Page.RunAxe();
            found.AddRange(
                from violation in result.Violations
                where s_serious.Contains(violation.Impact)
                from node in violation.Nodes
                select $"{view}: {violation.Id}: {violation.Help}: {node.Html}");
            int overflow = await visit.Page.EvaluateAsync<int>(
                "document.documentElement.scrollWidth - innerWidth");
            if (overflow > 0)
            {
                found.Add($"{view} is {overflow} px wider than the window");
            }
        }

        Assert.Empty(found);
        visit.AssertQuiet();
    }
}
