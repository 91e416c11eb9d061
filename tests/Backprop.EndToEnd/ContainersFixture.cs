using Backprop.Chaos.Processes;
using Backprop.EndToEnd.Engine;

namespace Backprop.EndToEnd;

/// <summary>One engine, with the image that the Dockerfile makes, which all tests share.</summary>
public sealed class ContainersFixture : IAsyncLifetime
{
    private static readonly TimeSpan s_forBuilding = TimeSpan.FromMinutes(15);

    private string? _whyNot;
    private ContainerEngine? _engine;

    /// <summary>The engine.</summary>
    internal ContainerEngine Engine => _engine
        ?? throw new InvalidOperationException("a test has not asked whether there is an engine");

    /// <summary>Skips a test where no engine can be run, and says why.</summary>
    public void Require() => Skip.If(_engine is null, _whyNot);

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        (_engine, _whyNot) = await ContainerEngine.StartAsync();
        if (_engine is null)
        {
            return;
        }

        string root = BackpropProgram.RepositoryRoot;
        await _engine.RunAsync(
            s_forBuilding, "build", "--progress", "plain",
            "--file", Path.Combine(root, "deploy", "Dockerfile"),
            "--build-arg", $"SDK_IMAGE={_engine.Environment["SDK_IMAGE"]}",
            "--build-arg", $"RUNTIME_IMAGE={_engine.Environment["RUNTIME_IMAGE"]}",
            "--build-arg", "REVISION=of-the-tests",
            "--tag", _engine.Environment["BACKPROP_IMAGE"], root);
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }
}

/// <summary>Tests that share an engine, one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ContainersCollection : ICollectionFixture<ContainersFixture>
{
    /// <summary>Its name.</summary>
    public const string Name = "containers";
}
