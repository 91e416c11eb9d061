namespace Backprop.Engine.Tests.Kernels;

/// <summary>The micro-kernels in the tree are those that the generator writes.</summary>
public sealed class MicroKernelsTests
{
    [Fact]
    public void The_committed_file_is_what_the_generator_writes() =>
        Assert.Equal(
            GenerateMicroKernels.Source(),
            File.ReadAllText(Path.Combine(Root(), GenerateMicroKernels.OutputPath)));

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Backprop.Distributed.sln")))
        {
            folder = Path.GetDirectoryName(folder)
                ?? throw new DirectoryNotFoundException(
                    $"no Backprop.Distributed.sln above {AppContext.BaseDirectory}");
        }

        return folder;
    }
}
