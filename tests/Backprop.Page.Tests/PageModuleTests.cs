using System.Text.Json;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Backprop.Page.Tests;

/// <summary>What the page works out by itself before it shows it.</summary>
[Collection(PageTests.Name)]
public sealed class PageModuleTests(PageFixture fixture)
{
    [SkippableFact]
    public async Task The_gradient_tree_fills_up_as_the_servers_fold_it()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("runs");

        // Five micro-batches; the fifth has no sibling and passes up as it is. What comes twice
        // changes nothing.
        string[] nodes = await visit.Page.EvaluateAsync<string[]>(
            """
            async () => {
              const { treeOf, wholeness } = await import('/js/cluster/gradient-tree.js');
              const tree = treeOf(5, 64);
              const state = wholeness(tree, [
                { worker: 'a', firstMicroBatch: 0, count: 2, at: 1 },
                { worker: 'b', firstMicroBatch: 4, count: 1, at: 3 },
                { worker: 'b', firstMicroBatch: 2, count: 2, at: 2 },
                { worker: 'c', firstMicroBatch: 0, count: 2, at: 9 },
              ]);
              return tree.levels.flat().map((node) => {
                const { at, by, isSent } = state.get(node);
                return `${node.first}-${node.end} at ${at} by ${by}${isSent ? ' sent' : ''}`;
              });
            }
            """);

        Assert.Equal(
            [
                "0-1 at 1 by a", "1-2 at 1 by a", "2-3 at 2 by b", "3-4 at 2 by b",
                "4-5 at 3 by b sent",
                "0-2 at 1 by a sent", "2-4 at 2 by b sent", "4-5 at 3 by b sent",
                "0-4 at 2 by null", "4-5 at 3 by b sent",
                "0-5 at 3 by null",
            ],
            nodes);
    }

    [SkippableFact]
    public async Task A_tree_that_is_not_whole_names_what_is_missing()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("runs");

        JsonElement found = await visit.Page.EvaluateAsync<JsonElement>(
            """
            async () => {
              const { missing, treeOf, wholeness } =
                await import('/js/cluster/gradient-tree.js');
              const arrivals = [{ worker: 'a', firstMicroBatch: 2, count: 2, at: 1 }];
              const tree = treeOf(8, 64);
              const root = wholeness(tree, arrivals).get(tree.levels.at(-1)[0]);
              return { missing: missing(8, arrivals), isWhole: Number.isFinite(root.at) };
            }
            """);

        Assert.Equal("[[0,2],[4,8]]", found.GetProperty("missing").ToString());
        Assert.False(found.GetProperty("isWhole").GetBoolean());
    }

    [SkippableFact]
    public async Task Points_that_come_replace_those_from_their_first_step_on()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("runs");

        JsonElement curves = await visit.Page.EvaluateAsync<JsonElement>(
            """
            async () => {
              const { CurveStore } = await import('/js/run/curve-store.js');
              const points = (step, loss) => ({
                layers: ['dense1'], step, steps: step.map(() => 1), lossMin: loss,
                lossMean: loss, lossMax: loss, gradientNorm: step.map(() => 'NaN'),
                learningRate: loss, stepSeconds: loss, layerNorms: [loss],
              });
              const store = new CurveStore();
              store.merge(points([0, 1, 2, 3], [5, 4, 3, 2]));
              store.merge(points([2, 4], [30, 40]));
              return store;
            }
            """);

        Assert.Equal("[0,1,2,4]", curves.GetProperty("step").ToString());
        Assert.Equal("[5,4,30,40]", curves.GetProperty("lossMean").ToString());
        Assert.Equal("[[5,4,30,40]]", curves.GetProperty("layerNorms").ToString());
        Assert.Equal("[null,null,null,null]", curves.GetProperty("gradientNorm").ToString());
    }

    [SkippableFact]
    public async Task Rows_are_sent_as_numbers_or_as_the_table_that_they_are()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("runs");

        string[] samples = await visit.Page.EvaluateAsync<string[]>(
            """
            async () => {
              const { samplesOf } = await import('/js/run/rows.js');
              return ['1.5, 2\n3;4', 'age,kind\n1,2', '7 red'].flatMap(samplesOf)
                .map((sample) => JSON.stringify(sample));
            }
            """);

        Assert.Equal(
            [
                """{"features":[1.5,2]}""", """{"features":[3,4]}""",
                """{"csv":"age,kind\n1,2"}""", """{"csv":"7 red"}""",
            ],
            samples);
    }

    [SkippableFact]
    public async Task What_looks_like_markup_is_shown_as_the_text_that_it_is()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("submit");
        const string Markup = "<img src=x onerror=alert(1)>";

        await visit.Page.GetByLabel("Specification of the run")
            .FillAsync($"name = \"{Markup}\"");

        await Expect(visit.Page.GetByRole(AriaRole.List, new() { Name = "Mistakes" }))
            .ToContainTextAsync("name");
        await Expect(visit.Page.Locator(".editor pre")).ToContainTextAsync(Markup);
        await Expect(visit.Page.Locator("main img")).ToHaveCountAsync(0);
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task A_chart_is_read_and_zoomed_with_keys_alone()
    {
        Chromium.Require();
        string run = await fixture.FinishedRunAsync();
        await using Visit visit = await fixture.VisitAsync($"runs/{run}");
        ILocator chart = visit.Page.GetByRole(
            AriaRole.Region, new() { Name = "Loss by step", Exact = true });
        ILocator plot = chart.GetByRole(AriaRole.Img);
        await Expect(plot).ToHaveAttributeAsync(
            "aria-label", new System.Text.RegularExpressions.Regex("Training loss from [0-9.]+"));

        await plot.FocusAsync();
        await plot.PressAsync("Home");
        await Expect(chart.Locator("[aria-live]")).ToContainTextAsync("step 0: Training loss");
        await plot.PressAsync("+");
        ILocator all = visit.Page.GetByRole(AriaRole.Button, new() { Name = "Show all steps" });
        await Expect(all).ToBeVisibleAsync();
        await plot.PressAsync("Escape");

        await Expect(all).ToBeHiddenAsync();
        visit.AssertQuiet();
    }
}
