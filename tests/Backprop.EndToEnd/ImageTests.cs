using System.Text.Json;
using System.Xml.Linq;
using Backprop.Chaos.Processes;
using Backprop.EndToEnd.Engine;

namespace Backprop.EndToEnd;

/// <summary>What is in the image, and how it behaves where it is run alone.</summary>
[Collection(ContainersCollection.Name)]
public sealed class ImageTests(ContainersFixture containers)
{
    private const long MostBytesOverItsBase = 150_000_000;
    private const string Labels = "org.opencontainers.image.";

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    private ContainerEngine Engine => containers.Engine;

    private string Image => Engine.Environment["BACKPROP_IMAGE"];

    [SkippableFact]
    public async Task It_is_small_unprivileged_and_says_what_it_is()
    {
        containers.Require();
        JsonElement image = await InspectAsync(Image);
        JsonElement runtime = await InspectAsync(Engine.Environment["RUNTIME_IMAGE"]);
        long added = image.GetProperty("Size").GetInt64() - runtime.GetProperty("Size").GetInt64();
        Assert.InRange(added, 1, MostBytesOverItsBase);

        JsonElement config = image.GetProperty("Config");
        Assert.Equal("1654:1654", config.GetProperty("User").GetString());
        Assert.Equal(
            ["CMD", "/app/backprop", "health", "--server", "http://127.0.0.1:8473"],
            config.GetProperty("Healthcheck").GetProperty("Test").EnumerateArray()
                .Select(word => word.GetString()));
        JsonElement labels = config.GetProperty("Labels");
        Assert.Equal(Version(), labels.GetProperty($"{Labels}version").GetString());
        Assert.Equal("of-the-tests", labels.GetProperty($"{Labels}revision").GetString());
        Assert.Equal("Apache-2.0", labels.GetProperty($"{Labels}licenses").GetString());
    }

    [SkippableFact]
    public async Task Its_bill_of_materials_names_the_packages_that_it_was_built_from()
    {
        containers.Require();
        string text = await Engine.RunAsync(
            s_limit, "run", "--rm", "--network", "none", "--entrypoint", "cat", Image,
            "/usr/share/doc/backprop/sbom.cdx.json");
        using JsonDocument bill = JsonDocument.Parse(text);
        Assert.Equal("CycloneDX", bill.RootElement.GetProperty("bomFormat").GetString());
        Dictionary<string, string> packages = bill.RootElement.GetProperty("components")
            .EnumerateArray().ToDictionary(
                component => component.GetProperty("name").GetString()!,
                component => component.GetProperty("version").GetString()!);

        XDocument wanted = XDocument.Load(
            Path.Combine(BackpropProgram.RepositoryRoot, "Directory.Packages.props"));
        foreach (string name in (string[])["Akka.Cluster", "Npgsql", "Google.Protobuf"])
        {
            string version = wanted.Descendants("PackageVersion")
                .Single(package => package.Attribute("Include")!.Value == name)
                .Attribute("Version")!.Value;
            Assert.Equal(version, packages[name]);
        }
    }

    [SkippableTheory]
    [InlineData("0.5", 1)]
    [InlineData("1", 1)]
    [InlineData("2", 2)]
    public async Task It_computes_with_the_cores_that_its_container_may_use(
        string cpus, int threads)
    {
        containers.Require();
        Skip.If(
            double.Parse(cpus) > Environment.ProcessorCount,
            $"this machine has {Environment.ProcessorCount} cores");

        string[] findings = await FindingsAsync("cores", "--cpus", cpus);

        Assert.Contains($"{threads} seen, of which {cpus} may be used, {threads} threads compute",
            findings);
    }

    [SkippableFact]
    public async Task It_takes_no_more_memory_than_its_container_may_use()
    {
        containers.Require();

        string finding = Assert.Single(await FindingsAsync("memory", "--memory", "1g"));

        // .NET leaves a quarter to what it does not manage, and a run the rest of that.
        Assert.Contains("768 MiB (limit of the container: 1,024 MiB)", finding);
        Assert.Contains("a run's part may take 614 MiB", finding);
    }

    [SkippableFact]
    public async Task It_runs_on_a_root_that_cannot_be_written_and_ends_in_order_as_process_1()
    {
        containers.Require();
        string container = (await Engine.RunAsync(
            s_limit, "run", "--detach", "--read-only", "--tmpfs", "/tmp",
            "--volume", "/var/lib/backprop", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", Image, "node")).Trim();
        try
        {
            await Patience.ForAsync("the container is healthy", async () =>
                (await Engine.RunAsync(
                    s_limit, "inspect", "--format", "{{.State.Health.Status}}", container)).Trim()
                is "healthy" ? container : null);

            await Engine.RunAsync(s_limit, "stop", "--time", "60", container);

            Assert.Equal("0", (await Engine.RunAsync(
                s_limit, "inspect", "--format", "{{.State.ExitCode}}", container)).Trim());
            string log = await Engine.RunAsync(s_limit, "logs", container);
            Assert.Contains("\"leaving\"", log);
            Assert.Contains("\"ended\"", log);
        }
        finally
        {
            await Engine.RunAsync(s_limit, "rm", "--force", "--volumes", container);
        }
    }

    private static string Version() => XDocument
        .Load(Path.Combine(BackpropProgram.RepositoryRoot, "Directory.Build.props"))
        .Descendants("Version").Single().Value;

    // What 'backprop doctor' finds in a container with limits; it fails where anything is wrong.
    private async Task<string[]> FindingsAsync(string check, params string[] limits)
    {
        CommandLine.Ended doctor = await Engine.TryAsync(
            s_limit, ["run", "--rm", .. limits, Image, "doctor", "--json"]);
        using JsonDocument report = JsonDocument.Parse(doctor.Output);
        return
        [
            .. report.RootElement.GetProperty("findings").EnumerateArray()
                .Where(finding => finding.GetProperty("check").GetString() == check)
                .Select(finding => finding.GetProperty("text").GetString()!),
        ];
    }

    private async Task<JsonElement> InspectAsync(string image) =>
        JsonSerializer.Deserialize<JsonElement>(
            await Engine.RunAsync(s_limit, "image", "inspect", image))[0];
}
