using System.Runtime.CompilerServices;

namespace Backprop.Engine.Tests.Kernels;

/// <summary>The micro-kernels in the tree are those that the generator writes.</summary>
public sealed class MicroKernelsTests
{
    [Fact]
    public void The_committed_file_is_what_the_generator_writes() =>
        Assert.Equal(
            GenerateMicroKernels.Source(),
            File.ReadAllText(Path.Combine(Root(), GenerateMicroKernels.OutputPath)));

    private static string Root([CallerFilePath] string thisFile = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "../../.."));
}
