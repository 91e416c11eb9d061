using System.Collections.Concurrent;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Backprop.Page.Tests;

[Collection(PageTests.Name)]
public sealed class FirstViewTests(PageFixture fixture)
{
    private const int MostBytes = 200_000;

    [SkippableFact]
    public async Task The_first_view_is_light()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync();
        var sizes = new ConcurrentQueue<Task<int>>();
        visit.Page.RequestFinished += (_, request) => sizes.Enqueue(SizeOf(request));
        await visit.OpenAsync("runs");
        await Expect(visit.Page.GetByRole(AriaRole.Link, new() { Name = "Submit a run" }))
            .ToBeVisibleAsync();

        int[] bytes = await Task.WhenAll([.. sizes]);

        Assert.InRange(bytes.Length, 3, 100);
        Assert.InRange(bytes.Sum(), 1_000, MostBytes);
        visit.AssertQuiet();
    }

    [SkippableFact]
    public async Task It_is_asked_for_again_and_not_sent_again()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("runs");
        var answers = new ConcurrentQueue<(string Url, int Status)>();
        visit.Page.Response += (_, response) => answers.Enqueue(
            (response.Url, response.Status));

        await visit.Page.ReloadAsync();
        await Expect(visit.Page.Locator("main h1")).ToBeVisibleAsync();

        (string Url, int Status)[] again = [.. answers];
        Assert.Contains(again, answer => answer.Url.EndsWith("/js/app.js"));
        Assert.All(
            again.Where(answer => answer.Url.Contains("/js/") || answer.Url.EndsWith(".css")),
            answer => Assert.Equal(304, answer.Status));
        visit.AssertQuiet();
    }

    private static async Task<int> SizeOf(IRequest request) =>
        (await request.SizesAsync()).ResponseBodySize;
}
